"""Commands about the known speakers of a running suite."""

from pathlib import Path
from typing import Annotated

import typer

from stt_cli.grouping import grouped
from stt_cli.options import Json, Suite

app = typer.Typer(help="Manage the known speakers of a running suite.", no_args_is_help=True)


Known = Annotated[str, typer.Argument(metavar="SPEAKER", help="Name or id, as `stt speakers list` shows it.")]


@app.command("list")
@grouped
def show(as_json: Json = False, *, suite: Suite) -> None:
    """List the known speakers: name, id, and when they were enrolled."""
    from stt_cli.commands.speakers import list_speakers

    list_speakers(suite.reach(), as_json=as_json)


@app.command("enrol")
@grouped
def enrol(
    name: Annotated[str, typer.Argument(help="What the person is called in transcripts.")],
    file: Annotated[Path, typer.Argument(help="Ten seconds or more of speech of this person alone.")],
    *,
    suite: Suite,
) -> None:
    """Enrol a voice, and print its id. The suite keeps the voice as numbers, and not the recording."""
    from stt_cli.commands.speakers import enrol_speaker

    enrol_speaker(suite.reach(), name, file)


@app.command("rename")
@grouped
def rename(
    speaker: Known,
    name: Annotated[str, typer.Argument(help="The other name.")],
    *,
    suite: Suite,
) -> None:
    """Give a known speaker another name. Transcripts keep the names that they have."""
    from stt_cli.commands.speakers import rename_speaker

    rename_speaker(suite.reach(), speaker, name)


@app.command("delete")
@grouped
def delete(speaker: Known, *, suite: Suite) -> None:
    """Delete a known speaker and the voice for good. Transcripts keep the names that they have."""
    from stt_cli.commands.speakers import delete_speaker

    delete_speaker(suite.reach(), speaker)
