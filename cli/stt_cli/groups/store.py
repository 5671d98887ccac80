"""Commands about the transcript store as a whole."""

from pathlib import Path
from typing import Annotated

import typer

from stt_cli.options import Json

app = typer.Typer(
    help="Back up, restore, check and reindex the transcript store of DATABASE_URL or DATA_DIR.", no_args_is_help=True
)


@app.command("backup")
def backup(file: Annotated[Path, typer.Argument(help="A new file, which only you can read.")]) -> None:
    """Write a snapshot of everything stored into a file. The suite may be running."""
    from stt_cli.commands.store import backup as run

    run(file)


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A backup of this or an earlier version of the suite.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace everything in the store.")] = False,
) -> None:
    """Put a backup into an empty store, and migrate it to this version. The suite may be running."""
    from stt_cli.commands.store import restore as run

    run(file, replace=replace)


@app.command("check")
def check(as_json: Json = False) -> None:
    """Look for damage: file, version of the tables, search index, rows that refer to missing ones. Exit 1 if any."""
    from stt_cli.commands.store import check as run

    run(as_json=as_json)


@app.command("reindex")
def reindex() -> None:
    """Rebuild the search index from the transcripts, if a check finds that it differs. The suite may be running."""
    from stt_cli.commands.store import reindex as run

    run()
