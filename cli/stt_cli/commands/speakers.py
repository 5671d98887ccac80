"""`stt speakers`: list, enrol, rename and delete the known speakers of a suite."""

from pathlib import Path

import msgspec

from stt_cli.http.speakers import speakers_client
from stt_cli.output import print_json


def list_speakers(url: str, *, as_json: bool) -> None:
    """Print the known speakers. Raises CliError."""
    with speakers_client(url) as speakers:
        known = speakers.all()
    if as_json:
        print_json({"speakers": msgspec.to_builtins(known)})
        return
    width = max((len(one.name) for one in known), default=0)
    for one in known:
        print(f"{one.name:{width}}  {one.id}  {one.created_at}")


def enrol_speaker(url: str, name: str, file: Path) -> None:
    """Enrol a voice. Raises CliError."""
    with speakers_client(url) as speakers:
        print(speakers.enrol(name, file).id)


def rename_speaker(url: str, speaker: str, name: str) -> None:
    """Give a speaker another name. Raises CliError."""
    with speakers_client(url) as speakers:
        speakers.rename(speaker, name)


def delete_speaker(url: str, speaker: str) -> None:
    """Delete a speaker for good. Raises CliError."""
    with speakers_client(url) as speakers:
        speakers.delete(speaker)
