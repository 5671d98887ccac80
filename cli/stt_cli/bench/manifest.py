"""Recordings to play, with their reference text, listed in a JSON Lines file."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stt_cli.errors import CliError
from stt_cli.live.sources import FILE_RATE, pieces_of_file

FORMAT = (
    'a manifest is a file with one JSON object a line: {"path": "a.wav", "text": "what is said", '
    '"words": [["what", 0.31, 0.52], …]}; paths count from its folder, words (word, start and end in seconds) may be '
    "left out, and a row with another `lang` than --language or a `kind` that is not utterance is passed over"
)


class _Row(msgspec.Struct):
    path: str
    text: str | None = None
    words: list[tuple[str, float, float]] | None = None
    lang: str | None = None
    kind: str = "utterance"


@dataclass(frozen=True)
class SpokenWord:
    """A word of the reference; times in seconds from the start of its recording."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Utterance:
    """One recording. ``pcm`` is s16le, 16 kHz mono. ``words`` is empty if the manifest has no times."""

    path: Path
    text: str
    words: tuple[SpokenWord, ...]
    pcm: bytes

    @property
    def duration_s(self) -> float:
        """Duration of the recording in seconds."""
        return len(self.pcm) / 2 / FILE_RATE


def read_manifest(path: Path, language: str | None) -> list[Utterance]:
    """Return the recordings that have a text, decoded, in file order. Raises CliError for unusable input."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text file"
        raise CliError(f"cannot read the manifest {path}: {reason}; {FORMAT}", exit_code=2) from None
    found = list(_utterances(path, lines, language))
    if not found:
        wanted = f" in {language}" if language else ""
        raise CliError(f"the manifest {path} names no recording with a text{wanted}; {FORMAT}", exit_code=2)
    return found


def _utterances(path: Path, lines: list[str], language: str | None) -> Iterator[Utterance]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=_Row)
        except msgspec.DecodeError as error:
            raise CliError(f"{path}, line {number}: {error}; {FORMAT}", exit_code=2) from None
        if not row.text or row.kind != "utterance" or (language and row.lang and row.lang != language):
            continue
        audio = path.parent / row.path
        words = tuple(SpokenWord(*word) for word in row.words or ())
        yield Utterance(audio, row.text, words, b"".join(pieces_of_file(audio)))


def deal(
    utterances: Sequence[Utterance], *, sessions: int, seconds: float, gap_s: float, seed: int
) -> list[list[Utterance]]:
    """Return each session's recordings in its own random order, repeated to fill ``seconds`` of audio and pauses."""
    playlists = []
    for index in range(sessions):
        order = list(utterances)
        random.Random(seed * 1000 + index).shuffle(order)  # noqa: S311 - a repeatable order, no secret
        playlist: list[Utterance] = []
        length_s = 0.0
        while length_s < seconds:
            utterance = order[len(playlist) % len(order)]
            playlist.append(utterance)
            length_s += utterance.duration_s + gap_s
        playlists.append(playlist)
    return playlists
