"""What is played: recordings with their text, named by a file of JSON lines."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stt_cli.client.sources import FILE_RATE, pieces_of_file
from stt_cli.errors import CliError

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
    """A word of the reference; seconds from the start of its recording."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Utterance:
    """One recording. ``pcm``: s16le, 16 kHz mono. ``words`` is empty where the manifest has no times."""

    path: Path
    text: str
    words: tuple[SpokenWord, ...]
    pcm: bytes

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        return len(self.pcm) / 2 / FILE_RATE


def read_manifest(path: Path, language: str | None) -> list[Utterance]:
    """The recordings with a text, decoded, in the file's order. Raises CliError for what cannot be used."""
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
    """For each session its recordings, shuffled anew, over and over until ``seconds`` of sound and pauses are full."""
    hands = []
    for index in range(sessions):
        order = list(utterances)
        random.Random(seed * 1000 + index).shuffle(order)  # noqa: S311 - a repeatable order, no secret
        hand: list[Utterance] = []
        length_s = 0.0
        while length_s < seconds:
            utterance = order[len(hand) % len(order)]
            hand.append(utterance)
            length_s += utterance.duration_s + gap_s
        hands.append(hand)
    return hands
