"""`stt speakers`: list, enrol, rename and delete the known speakers of a suite."""

from pathlib import Path

from stt_cli.http.speakers import speakers_client


def list_speakers(url: str) -> None:
    """Print a table of the known speakers. Raises CliError."""
    with speakers_client(url) as speakers:
        known = speakers.all()
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
