"""`stt doctor`: what is wrong with this installation, and what to do about it."""

from rich.console import Console

from stt_cli.commands.up import require_services
from stt_cli.findings import print_findings


def doctor(*, as_json: bool) -> None:
    """Print the findings. Raises CliError if one is an error."""
    require_services("stt doctor")
    from stt_cli.doctor.examine import examine

    found = []
    with Console(stderr=True).status("checking…") as line:
        for one in examine():
            found.append(one)
            line.update(f"checking… {one.check}")
    print_findings(found, as_json=as_json)
