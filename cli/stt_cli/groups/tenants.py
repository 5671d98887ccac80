"""Commands about the tenants in the database."""

from typing import Annotated

import typer

app = typer.Typer(help="Manage the tenants in the database of DATABASE_URL or DATA_DIR.", no_args_is_help=True)


@app.callback()
def tenants() -> None:
    """Keep `delete` a command of its own, although it is the only one."""


@app.command("delete")
def delete(name: Annotated[str, typer.Argument(help="As `stt keys list` shows it.")]) -> None:
    """Delete all of a tenant for good: keys, transcripts, conversations, jobs, files, sessions, known speakers."""
    from stt_cli.commands.keys import delete_tenant

    delete_tenant(name)
