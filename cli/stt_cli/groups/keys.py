"""Commands about the API keys in the database."""

from typing import Annotated

import typer

from stt_cli.options import Json

app = typer.Typer(help="Manage the API keys in the database of DATABASE_URL or DATA_DIR.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, shown in lists.")],
    scopes: Annotated[
        str | None,
        typer.Option(
            help="stream, jobs, read, read:own, delete, speakers, admin, metrics with commas between, or all."
        ),
    ] = None,
    days: Annotated[float | None, typer.Option(help="Days until it expires; never if omitted.")] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Whom everything made with it belongs to; local if omitted.")
    ] = None,
    quota: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=N",
            help="A quota of its own: requests_per_minute, streams, audio_seconds_per_day, "
            "upload_bytes_per_day or stored_transcripts; 0 for no limit.",
        ),
    ] = None,
) -> None:
    """Make a key and print it. It cannot be shown again. Without --scopes it may stream, post files and read."""
    from stt_cli.commands.keys import create_key

    create_key(name, scopes, tenant, days, quota or [])


@app.command("list")
def show(tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None, as_json: Json = False) -> None:
    """List the keys, without their secrets."""
    from stt_cli.commands.keys import list_keys

    list_keys(tenant, as_json=as_json)


@app.command("revoke")
def revoke(id: Annotated[str, typer.Argument(help="Id of the key, as `stt keys list` shows it.")]) -> None:
    """Revoke a key for good; what is open with it ends within seconds."""
    from stt_cli.commands.keys import revoke_key

    revoke_key(id)


@app.command("rotate")
def rotate(
    id: Annotated[str, typer.Argument(help="Id of the key, as `stt keys list` shows it.")],
    overlap_s: Annotated[float, typer.Option(help="Seconds for which the secret before remains valid.")] = 0.0,
) -> None:
    """Give a key another secret and print it. The key's id, and what was made with it, stay."""
    from stt_cli.commands.keys import rotate_key

    rotate_key(id, overlap_s)


@app.command("callback-secret")
def callback_secret(
    tenant: Annotated[str | None, typer.Option(help="Whose; local if omitted.")] = None,
) -> None:
    """Print what receivers check a tenant's callbacks with, by CALLBACK_SECRET."""
    from stt_cli.commands.keys import callback_secret

    callback_secret(tenant)
