"""`stt health`: a single health check of a running suite."""

import dataclasses

from rich.console import Console
from rich.table import Table

from stt_cli.errors import CliError
from stt_cli.http.readiness import Health, ask_health
from stt_cli.http.server import unreachable
from stt_cli.output import print_json

_TIMEOUT_S = 5.0


def health(url: str, *, as_json: bool) -> None:
    """Print the services and their replicas. Raises CliError if the suite is not healthy."""
    answer = ask_health(url, _TIMEOUT_S)
    if not answer.status:
        raise unreachable(url, "no health report")
    if as_json:
        print_json({"url": url, **dataclasses.asdict(answer)})
    else:
        _print_tables(url, answer)
    if not answer.is_healthy:
        raise CliError(f"the suite at {url} is {answer.status}")


def _print_tables(url: str, answer: Health) -> None:
    console = Console(highlight=False, soft_wrap=True)
    services = Table("service", "state", box=None, header_style="bold")
    for name, state in answer.services.items():
        services.add_row(name, str(state))
    if answer.services:
        console.print(services)
    else:
        console.print("the suite tells only its status without a valid key (--api-key or STT_API_KEY)")
    if answer.replicas:
        replicas = Table("replica", "state", "sessions", "reason", box=None, header_style="bold")
        for replica in answer.replicas:
            cells = (str(replica.get(key, "")) for key in ("id", "state", "sessions", "reason"))
            replicas.add_row(*cells)
        console.print()
        console.print(replicas)
    console.print(f"\n[{'green' if answer.is_healthy else 'red'}]{answer.status}[/]  {url}")
