"""Speakers of a live session: each final is told from the voices so far, and later speech may revise earlier ones.

All voices so far are clustered again with each final, by the same function as those of a file. What must be kept for
that is bounded: of more than ``MOST_GROUPS`` voices, the two most alike become one group. Nobody speaks on two of the
channels that are kept apart: the voices of each are clustered by themselves, and numbers and names are given once.
Speakers depend on the voices and their order alone, so the next owner, which has what ``stored`` returned, tells the
same.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.events import RevisedUtterance, SpeakerTurn
from stt_shared.contracts.speakers import NO_GROUP, KnownVoice, SpeakerCount, VoicesHeard, speaker_name
from stt_transcriber.core.speakers.clustering import Floats, Labels
from stt_transcriber.core.speakers.counting import speaker_voices
from stt_transcriber.core.speakers.known import known_names

Small = NDArray[np.int8]
Who = tuple[int, str]
"""Number of a speaker, 0 for nobody, and the name of the known voice, '' for none."""
NOBODY: Who = (0, "")

MOST_GROUPS = 64
"""Most voices that are kept apart: 16 KB."""
MOST_PARTS = 4000
"""Most parts of utterances that may be revised, four hours of ordinary speech; older ones keep their speaker."""
MOST_PARTS_OF_UTTERANCE = 100
_MOST_WORDS = 255
_STRANGER = 0.3
"""Cosine from which on speech is rather of a voice than of a stranger; two people seldom have more."""
_SHARPNESS = 10.0
"""How fast confidence grows with the cosine."""
_SHORT_S = 1.0
_UNSURE_BELOW = 0.5
"""Confidence below which speech of less than ``_SHORT_S`` has no speaker."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(VoicesHeard).decode


@dataclass(frozen=True)
class Part:
    """Successive words of an utterance that one person says.

    ``voice``: float32 [d] of unit length; None if there is too little speech for one. ``seconds``: length of the
    speech.
    """

    words: int
    voice: Floats | None
    seconds: float


@dataclass(frozen=True)
class Told:
    """Speaker of an utterance. ``speaker``: who says most of it; ``turns``: empty if that one says it all."""

    speaker: str | None
    confidence: float
    turns: list[SpeakerTurn]


class SessionSpeakers:
    """Speakers of one session. ``count``: how many there are, on each channel if they are kept apart.

    ``stored``: what the previous owner's ``stored`` returned, b"" at the beginning.
    """

    def __init__(self, count: SpeakerCount, stored: bytes = b"") -> None:
        self._count = count
        heard = _unpack(stored) if stored else VoicesHeard()
        # In the stored form, so that the next owner computes with the same numbers.
        self._groups = [np.frombuffer(row, np.int8) for row in _rows(heard.groups, len(heard.seconds))]
        self._seconds = list(heard.seconds)
        self._channels = list(heard.group_channels or bytes(len(heard.seconds)))
        self._of_part = list(heard.part_groups)
        self._words = list(heard.part_words)
        names = [heard.names[at] for at in heard.part_names] or [""] * len(heard.part_speakers)
        self._told: list[Who] = list(zip(heard.part_speakers, names, strict=True))
        self._parts = list(heard.utterance_parts)
        self._newest = heard.newest
        self._known: list[KnownVoice] = []
        self._known_until = heard.known_until

    def know(self, voices: Sequence[KnownVoice]) -> None:
        """Name those who are among ``voices``, all that are known now.

        Call it before the first final, and again when voices may have been deleted. Those enrolled since the session
        began do not count: another owner would know them sooner or later.
        """
        if self._known_until is None:
            self._known_until = max((voice.enrolled_ms for voice in voices), default=0)
        self._known = [voice for voice in voices if voice.enrolled_ms <= self._known_until]

    def add(self, utterance: int, parts: Sequence[Part], channel: int = 0) -> Told:
        """Tell the speaker of a final; ``utterance``: its number, which follows the last one."""
        self._newest = utterance
        for part in parts[:MOST_PARTS_OF_UTTERANCE]:
            self._of_part.append(NO_GROUP if part.voice is None else len(self._groups))
            self._words.append(min(part.words, _MOST_WORDS))
            self._told.append(NOBODY)
            if part.voice is not None:
                self._groups.append(_small(part.voice))
                self._seconds.append(round(part.seconds, 3))
                self._channels.append(channel)
                if len(self._groups) > MOST_GROUPS:
                    self._join_most_alike()
        self._parts.append(min(len(parts), MOST_PARTS_OF_UTTERANCE))
        while len(self._of_part) > MOST_PARTS:
            gone = self._parts.pop(0)
            del self._of_part[:gone], self._words[:gone], self._told[:gone]
        speakers, confidences = self._speakers()
        first = len(self._told) - self._parts[-1]
        self._told[first:] = speakers[first:]
        return _told(self._told[first:], confidences[first:], self._words[first:])

    def revise(self) -> list[RevisedUtterance]:
        """Return the utterances whose speakers are others than were told; from now on they count as told."""
        speakers, _ = self._speakers()
        revised = []
        at = 0
        for number, parts in enumerate(self._parts, start=self._newest - len(self._parts) + 1):
            mine = slice(at, at + parts)
            at += parts
            if speakers[mine] != self._told[mine]:
                told = _told(speakers[mine], [0.0] * parts, self._words[mine])
                revised.append(RevisedUtterance(number, told.speaker, told.turns))
        self._told = speakers
        return revised

    def stored(self) -> bytes:
        """Return the state, packed: 16 KB for the voices, and three bytes for each part, or four if there are names."""
        names = tuple(dict.fromkeys(("", *(name for _, name in self._told))))
        return _pack(
            VoicesHeard(
                groups=b"".join(group.tobytes() for group in self._groups),
                seconds=tuple(self._seconds),
                part_groups=bytes(self._of_part),
                part_words=bytes(self._words),
                part_speakers=bytes(number for number, _ in self._told),
                utterance_parts=bytes(self._parts),
                newest=self._newest,
                group_channels=bytes(self._channels) if any(self._channels) else b"",
                names=names if len(names) > 1 else (),
                part_names=tuple(names.index(name) for _, name in self._told) if len(names) > 1 else (),
                known_until=self._known_until,
            )
        )

    def _join_most_alike(self) -> None:
        voices = _unit(self._groups)
        similar = voices @ voices.T
        similar[np.tril_indices(len(voices))] = -np.inf
        similar[np.not_equal.outer(self._channels, self._channels)] = -np.inf
        one, other = (int(at) for at in np.unravel_index(np.argmax(similar), similar.shape))
        seconds = self._seconds[one], self._seconds[other]
        self._groups[one] = _small(seconds[0] * voices[one] + seconds[1] * voices[other])
        self._seconds[one] = round(sum(seconds), 3)
        del self._groups[other], self._seconds[other], self._channels[other]
        moved = {NO_GROUP: NO_GROUP, other: one}
        self._of_part = [moved.get(group, group - (group > other)) for group in self._of_part]

    def _speakers(self) -> tuple[list[Who], list[float]]:
        """Return the speaker of each part, and how sure it is."""
        if not self._groups:
            return [NOBODY] * len(self._of_part), [0.0] * len(self._of_part)
        means, clusters, sure = self._clusters()
        numbers = self._numbers([-1 if group == NO_GROUP else int(clusters[group]) for group in self._of_part])
        last = dict(self._told)
        held = {cluster: last[number] for cluster, number in numbers.items() if last.get(number)}
        names = known_names(means, self._known, held)
        is_nobody = (np.array(self._seconds) < _SHORT_S) & (sure < _UNSURE_BELOW)
        speakers: list[Who] = []
        confidences = []
        for group in self._of_part:
            is_told = group != NO_GROUP and not is_nobody[group]
            cluster = int(clusters[group]) if is_told else -1
            speakers.append((numbers[cluster], names.get(cluster, "")) if is_told else NOBODY)
            confidences.append(float(sure[group]) if is_told else 0.0)
        return speakers, confidences

    def _clusters(self) -> tuple[Floats, Labels, Floats]:
        """Return the voices of all speakers, float32 [k, d]; the speaker of each group, and how sure that is, [n]."""
        voices, seconds, channels = _unit(self._groups), np.array(self._seconds, np.float32), np.array(self._channels)
        means: list[Floats] = []
        clusters, sure = np.zeros(len(voices), np.intp), np.zeros(len(voices), np.float32)
        for channel in np.unique(channels):
            mine = channels == channel
            speakers = speaker_voices(voices[mine], seconds[mine], self._count)
            similar = voices[mine] @ speakers.T
            clusters[mine] = sum(map(len, means)) + np.argmax(similar, axis=1)
            likely = np.exp(_SHARPNESS * similar)
            sure[mine] = likely.max(axis=1) / (likely.sum(axis=1) + np.exp(_SHARPNESS * _STRANGER))
            means.append(speakers)
        return np.concatenate(means), clusters, sure

    def _numbers(self, clusters: Sequence[int]) -> dict[int, int]:
        """Return the number of each cluster: the one under which most of its words were told, else one that is free.

        ``clusters``: of each part, -1 for none.
        """
        told: Counter[tuple[int, int]] = Counter()
        for cluster, (speaker, _), words in zip(clusters, self._told, self._words, strict=True):
            if cluster >= 0 and speaker:
                told[cluster, speaker] += words
        numbers: dict[int, int] = {}
        for cluster, speaker in sorted(told, key=lambda pair: (-told[pair], pair)):
            if cluster not in numbers and speaker not in numbers.values():
                numbers[cluster] = speaker
        for cluster in clusters:
            if cluster >= 0 and cluster not in numbers:
                numbers[cluster] = next(number for number in itertools.count(1) if number not in numbers.values())
        return numbers


def _told(speakers: Sequence[Who], confidences: Sequence[float], words: Sequence[int]) -> Told:
    """Return what to tell of an utterance's parts."""
    said: Counter[Who] = Counter()
    for speaker, count in zip(speakers, words, strict=True):
        said[speaker] += count
    main = max(sorted(said), key=lambda speaker: (speaker != NOBODY, said[speaker]), default=NOBODY)
    mine = [sure for speaker, sure in zip(speakers, confidences, strict=True) if speaker == main]
    starts = [0, *itertools.accumulate(words)]
    turns = [
        SpeakerTurn(starts[at], _label(speaker))
        for at, speaker in enumerate(speakers)
        if at == 0 or speaker != speakers[at - 1]
    ]
    confidence = round(sum(mine) / len(mine), 3) if main != NOBODY else 0.0
    return Told(_label(main), confidence, turns if len(turns) > 1 else [])


def _label(speaker: Who) -> str | None:
    number, name = speaker
    return name or (speaker_name(number) if number else None)


def _rows(packed: bytes, count: int) -> list[bytes]:
    size = len(packed) // max(1, count)
    return [packed[at * size : (at + 1) * size] for at in range(count)]


def _small(voice: Floats) -> Small:
    """Return a voice in 8 bits a number."""
    return np.asarray(np.round(voice / np.abs(voice).max() * 127), np.int8)


def _unit(groups: Sequence[Small]) -> Floats:
    """Return the voices of groups, float32 [n, d] of unit length."""
    rows = np.stack(groups).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
