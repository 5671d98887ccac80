"""`stt health`: a single health check of a running suite."""

from rich.console import Console
from rich.table import Table

from stt_cli.errors import CliError
from stt_cli.http.readiness import ask_health
from stt_cli.http.server import unreachable

_TIMEOUT_S = 5.0


def health(url: str) -> None:
    """Print the services and their replicas. Raises CliError if the suite is not healthy."""
    said = ask_health(url, _TIMEOUT_S)
    if not said.status:
        raise unreachable(url, "no health report")
    console = Console(highlight=False, soft_wrap=True)
    services = Table("service", "state", box=None, header_style="bold")
    for name, state in said.services.items():
        services.add_row(name, str(state))
    console.print(services)
    if said.replicas:
        replicas = Table("replica", "state", "sessions", "reason", box=None, header_style="bold")
        for replica in said.replicas:
            told = (str(replica.get(key, "")) for key in ("id", "state", "sessions", "reason"))
            replicas.add_row(*told)
        console.print()
        console.print(replicas)
    console.print(f"\n[{'green' if said.is_healthy else 'red'}]{said.status}[/]  {url}")
    if not said.is_healthy:
        raise CliError(f"the suite at {url} is {said.status}")
