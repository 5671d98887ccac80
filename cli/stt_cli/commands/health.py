"""`stt health`: one look at a running suite."""

from typing import Any

from rich.console import Console
from rich.table import Table

from stt_cli.client.server import unreachable
from stt_cli.errors import CliError
from stt_cli.readiness import ask_health

_TIMEOUT_S = 5.0


def health(url: str) -> None:
    """Prints a table of the services. Raises CliError when the suite is not healthy."""
    said = ask_health(url, _TIMEOUT_S)
    if not said.status:
        raise unreachable(url, "no health report")
    table = Table("service", "state", box=None, header_style="bold")
    for name, state in said.services.items():
        table.add_row(name, _told(state))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"[{'green' if said.is_healthy else 'red'}]{said.status}[/]  {url}")
    if not said.is_healthy:
        raise CliError(f"the suite at {url} is {said.status}")


def _told(state: Any) -> str:
    if isinstance(state, dict):
        return ", ".join(f"{key} {value}" for key, value in state.items())
    return str(state)
