"""Commands about the known speakers of a running suite."""

from pathlib import Path
from typing import Annotated

import typer

from stt_cli.http.reach import suite_at
from stt_cli.options import Ca, Key, Url

app = typer.Typer(help="Manage the known speakers of a running suite.", no_args_is_help=True)


Known = Annotated[str, typer.Argument(metavar="SPEAKER", help="Name or id, as `stt speakers list` shows it.")]


@app.command("list")
def show(url: Url = None, api_key: Key = None, ca: Ca = None) -> None:
    """List the known speakers: name, id, and when they were enrolled."""
    from stt_cli.commands.speakers import list_speakers

    list_speakers(suite_at(url, api_key, ca))


@app.command("enrol")
def enrol(
    name: Annotated[str, typer.Argument(help="What the person is called in transcripts.")],
    file: Annotated[Path, typer.Argument(help="Ten seconds or more of speech of this person alone.")],
    url: Url = None,
    api_key: Key = None,
    ca: Ca = None,
) -> None:
    """Enrol a voice, and print its id. The suite keeps the voice as numbers, and not the recording."""
    from stt_cli.commands.speakers import enrol_speaker

    enrol_speaker(suite_at(url, api_key, ca), name, file)


@app.command("rename")
def rename(
    speaker: Known,
    name: Annotated[str, typer.Argument(help="The other name.")],
    url: Url = None,
    api_key: Key = None,
    ca: Ca = None,
) -> None:
    """Give a known speaker another name. Transcripts keep the names that they have."""
    from stt_cli.commands.speakers import rename_speaker

    rename_speaker(suite_at(url, api_key, ca), speaker, name)


@app.command("delete")
def delete(speaker: Known, url: Url = None, api_key: Key = None, ca: Ca = None) -> None:
    """Delete a known speaker and the voice for good. Transcripts keep the names that they have."""
    from stt_cli.commands.speakers import delete_speaker

    delete_speaker(suite_at(url, api_key, ca), speaker)
