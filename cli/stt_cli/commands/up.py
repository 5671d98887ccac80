"""`stt up`: runs the whole suite on this machine."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stt_cli.errors import CliError
from stt_shared.process.extras import install_command

_NEEDED = ("redis", "fastapi", "av", "ctranslate2")
"""A package of each service, and one that they share."""


def require_services(command: str) -> None:
    """Raise CliError, with what to run, unless the packages of all services are installed."""
    for name in _NEEDED:
        if find_spec(name) is None:
            raise CliError(
                f"`{command}` needs the services, and {name} is not installed; run: {install_command('all')}"
            )


def up(options: dict[str, Any], *, log_dir: Path | None, verbose: bool) -> None:
    """Run the suite until it is stopped. ``options``: settings by name, None if not given. Raises CliError."""
    require_services("stt up")
    from stt_cli.up.launcher import run_suite
    from stt_cli.up.settings import load_up_settings

    run_suite(load_up_settings(options), log_dir=log_dir, verbose=verbose)
