"""Commands about the tenants in the database."""

from typing import Annotated

import typer

from stt_cli.options import Json

app = typer.Typer(help="Manage the tenants in the database of DATABASE_URL or DATA_DIR.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the tenants, and for how long their transcripts are kept."""
    from stt_cli.commands.tenants import list_tenants

    list_tenants(as_json=as_json)


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="As `stt tenants list` shows it.")],
    retention_days: Annotated[
        str, typer.Option(help="Days for which transcripts are kept: 0 = for ever, `default` = as the setting says.")
    ],
) -> None:
    """Set for how long the transcripts and conversations of a tenant are kept."""
    from stt_cli.commands.tenants import set_tenant

    set_tenant(name, retention_days)


@app.command("delete")
def delete(name: Annotated[str, typer.Argument(help="As `stt keys list` shows it.")]) -> None:
    """Delete all of a tenant for good: keys, transcripts, conversations, jobs, files, sessions, known speakers."""
    from stt_cli.commands.tenants import delete_tenant

    delete_tenant(name)
