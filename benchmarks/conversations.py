"""Conversations mixed from recordings of single speakers, with who speaks when as the reference."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import read_audio
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ

TURN_S = (1.0, 10.0)
_LEAST_S = 10.0
_TURN_MEDIAN_S = 3.0
_PAUSE_S = (0.1, 0.9)
_OVERLAP_S = (0.4, 1.6)
_OVERLAPPED_SHARE = 0.1
_PHRASE_GAP_S = 0.12
"""Shortest gap between two words at which a turn may begin or end, so that no word is cut in two."""
_LONGEST_PHRASE_S = 5.0
_LEVELS_DBFS = (-30.0, -18.0)
_TONES_DBFS = (-66.0, -52.0)
_FADE_SAMPLES = AUDIO_RATE_HZ // 50


@dataclass(frozen=True)
class Phrase:
    """A piece of a recording between two gaps.

    ``samples``: float32 [n] at 16 kHz. ``words``: text, start and end of each word, in seconds from its beginning.
    """

    samples: NDArray[np.float32]
    words: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class SpokenWord:
    """One word of a conversation; times in seconds."""

    text: str
    start_s: float
    end_s: float
    speaker: str


@dataclass(frozen=True)
class Conversation:
    """A mixed recording. ``samples``: int16 [n] at 16 kHz. ``words``: in the order of their starts."""

    samples: NDArray[np.int16]
    words: tuple[SpokenWord, ...]
    speakers: tuple[str, ...]


def phrases_by_speaker(folder: Path) -> dict[str, list[Phrase]]:
    """Read the phrases of each speaker of the corpus who has timed words and at least ``_LEAST_S`` of speech.

    Of each language whose speakers are not named, the longest recording is one speaker more.
    """
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    timed = [row for row in rows if row.get("words") and row["kind"] in ("utterance", "long")]
    by_speaker: dict[str, list[dict[str, Any]]] = {}
    for row in timed:
        if row.get("speaker") and row["lang"] == "en":
            by_speaker.setdefault(row["speaker"], []).append(row)
    for language in sorted({row["lang"] for row in timed if not row.get("speaker")} - {"en"}):
        unnamed = [row for row in timed if row["lang"] == language and not row.get("speaker")]
        by_speaker[f"unnamed-{language}"] = [max(unnamed, key=lambda row: float(row["duration_s"]))]
    found = {
        name: [phrase for row in mine for phrase in _phrases(read_audio(folder / row["path"]), row["words"])]
        for name, mine in by_speaker.items()
        if sum(row["duration_s"] for row in mine) >= _LEAST_S
    }
    return found


def converse(phrases: Mapping[str, Sequence[Phrase]], length_s: float, seed: int) -> Conversation:
    """Mix a conversation of all these speakers of about ``length_s``; the same seed gives the same conversation.

    Turns take 1 to 10 s (log-normal, median 3 s), and nobody has two in succession; each speaker has a level and a room
    tone of its own. A tenth of the speech overlaps: turns that begin before the one before them has ended.
    """
    random = np.random.default_rng(seed)
    names = sorted(phrases)
    voices = {name: _Voice(phrases[name], random) for name in names}
    mixed = np.zeros(int((length_s + 3 * TURN_S[1]) * AUDIO_RATE_HZ), np.float32)
    words: list[SpokenWord] = []
    at_s, spoken_s, overlapped_s = 0.5, 0.0, 0.0
    speaker = ""
    order: list[str] = []
    while at_s < length_s:
        if not order:  # everybody speaks once in each round, in a random order
            order = list(random.permutation(names))
            if order[0] == speaker:
                order.append(order.pop(0))
        speaker = order.pop(0)
        samples, said = voices[speaker].turn(random)
        begin = int(at_s * AUDIO_RATE_HZ)
        mixed[begin : begin + len(samples)] += samples
        words += [SpokenWord(text, at_s + start, at_s + end, speaker) for text, start, end in said]
        turn_s = len(samples) / AUDIO_RATE_HZ
        spoken_s += turn_s
        at_s += turn_s
        if overlapped_s < _OVERLAPPED_SHARE * spoken_s:
            by_s = min(random.uniform(*_OVERLAP_S), turn_s / 2)
            overlapped_s += by_s
            at_s -= by_s
        else:
            at_s += random.uniform(*_PAUSE_S)
    mixed = mixed[: int((at_s + 1.0) * AUDIO_RATE_HZ)]
    samples16 = np.clip(np.round(mixed * 32768.0), -32768, 32767).astype(np.int16)
    return Conversation(samples16, tuple(sorted(words, key=lambda word: word.start_s)), tuple(names))


class _Voice:
    """One speaker: phrases in a random order, at one level and over one room tone."""

    def __init__(self, phrases: Sequence[Phrase], random: np.random.Generator) -> None:
        self._phrases = [phrases[index] for index in random.permutation(len(phrases))]
        self._next = 0
        self._level = 10 ** (random.uniform(*_LEVELS_DBFS) / 20)
        self._tone = 10 ** (random.uniform(*_TONES_DBFS) / 20)
        self._colour = random.uniform(0.0, 0.97)

    def turn(self, random: np.random.Generator) -> tuple[NDArray[np.float32], list[tuple[str, float, float]]]:
        """Return the audio, float32 [n], and the words of one turn."""
        wanted_s = float(np.clip(random.lognormal(np.log(_TURN_MEDIAN_S), 0.6), *TURN_S))
        audio: list[NDArray[np.float32]] = []
        words: list[tuple[str, float, float]] = []
        at_s = 0.0
        while at_s < wanted_s:
            phrase = self._phrases[self._next % len(self._phrases)]
            self._next += 1
            loud = phrase.samples * (self._level / max(1e-4, float(np.sqrt(np.mean(phrase.samples**2)))))
            words += [(text, at_s + start, at_s + end) for text, start, end in phrase.words]
            audio.append(loud)
            at_s += len(loud) / AUDIO_RATE_HZ
        samples = np.concatenate(audio)[: int(TURN_S[1] * AUDIO_RATE_HZ)]
        words = [word for word in words if word[2] <= len(samples) / AUDIO_RATE_HZ]
        samples = samples + self._room_tone(len(samples), random)
        fade = np.linspace(0.0, 1.0, _FADE_SAMPLES, dtype=np.float32)
        samples[:_FADE_SAMPLES] *= fade
        samples[-_FADE_SAMPLES:] *= fade[::-1]
        return samples, words

    def _room_tone(self, count: int, random: np.random.Generator) -> NDArray[np.float32]:
        """Noise with the speaker's own slope: white noise, and a low-pass of it."""
        white = random.standard_normal(count + 64).astype(np.float32)
        kernel = self._colour ** np.arange(64, dtype=np.float32)
        coloured = np.convolve(white, kernel / np.sqrt(np.sum(kernel**2)), "valid")[:count]
        return (self._tone * coloured).astype(np.float32)


def _phrases(samples: NDArray[np.int16], words: Sequence[tuple[str, float, float]]) -> list[Phrase]:
    cuts = _cuts(words, 0, len(words))
    audio = samples.astype(np.float32) / 32768.0
    found = []
    for first, last in zip(cuts, [*cuts[1:], len(words)], strict=True):
        # Half of the gap on each side, at most 0.15 s.
        before = words[first - 1][2] if first else 0.0
        after = words[last][1] if last < len(words) else len(audio) / AUDIO_RATE_HZ
        begin_s = max(words[first][1] - 0.15, (before + words[first][1]) / 2)
        end_s = min(words[last - 1][2] + 0.15, (after + words[last - 1][2]) / 2)
        piece = audio[int(begin_s * AUDIO_RATE_HZ) : int(end_s * AUDIO_RATE_HZ)]
        if 0.4 * AUDIO_RATE_HZ <= len(piece) <= TURN_S[1] * AUDIO_RATE_HZ:
            spoken = tuple((text, start - begin_s, end - begin_s) for text, start, end in words[first:last])
            found.append(Phrase(piece, spoken))
    return found


def _cuts(words: Sequence[tuple[str, float, float]], first: int, last: int) -> list[int]:
    """Return the indices of the words with which the phrases of ``words[first:last]`` begin.

    A phrase that is too long for a turn is divided at its longest gap.
    """
    gaps = {index: words[index][1] - words[index - 1][2] for index in range(first + 1, last)}
    cuts = [first, *(index for index, gap in gaps.items() if gap >= _PHRASE_GAP_S)]
    if len(cuts) == 1 and gaps and words[last - 1][2] - words[first][1] > _LONGEST_PHRASE_S:
        cuts = [first, max(gaps, key=lambda index: gaps[index])]
    if len(cuts) == 1:
        return cuts
    return [cut for begin, end in zip(cuts, [*cuts[1:], last], strict=True) for cut in _cuts(words, begin, end)]
