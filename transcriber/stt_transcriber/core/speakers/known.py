"""Voices that are known by name, and voices as they are stored."""

from collections.abc import Mapping, Sequence

import numpy as np

from stt_shared.contracts.speakers import KnownVoice
from stt_transcriber.core.speakers.clustering import Floats

KNOWN_FROM = 0.6
"""Cosine of the mean voice of a speaker and a known one from which on the speaker has its name. Biased against wrong
names: a missing one is soon given by hand, a wrong one may go unnoticed."""
HELD = 0.1
"""Cosine that a speaker has ahead with a name that it has already: near the threshold a name would come and go."""


def known_names(speakers: Floats, known: Sequence[KnownVoice], held: Mapping[int, str] | None = None) -> dict[int, str]:
    """Return the names of the speakers that are known, by their rows in ``speakers``, float32 [k, d] of unit length.

    The most alike get each other first; nobody has two names, and no name has two speakers. Voices of another model,
    which have another size, are left out. ``held``: names that speakers have already, by their rows; one whose voice
    is not ``known`` any more stays.
    """
    size = speakers.shape[1]
    usable = [voice for voice in known if len(voice.voice) == size]
    ahead = dict(held or {})
    names: dict[int, str] = {}
    for row, name in sorted(ahead.items()):
        if name not in names.values() and all(name != voice.name for voice in usable):
            names[row] = name
    if not usable or not len(speakers):
        return names
    similar = speakers @ np.concatenate([unpacked(voice.voice, 1) for voice in usable]).T
    similar += [[HELD * (ahead.get(row) == voice.name) for voice in usable] for row in range(len(speakers))]
    for flat in np.argsort(-similar, axis=None, kind="stable"):
        speaker, voice = divmod(int(flat), len(usable))
        if similar[speaker, voice] < KNOWN_FROM:
            break
        if speaker not in names and usable[voice].name not in names.values():
            names[speaker] = usable[voice].name
    return names


def packed(voices: Floats) -> bytes:
    """Return voices, float32 [n, d], as int8 [n, d], each in proportion to its own largest number."""
    largest = np.maximum(np.abs(voices).max(axis=1, keepdims=True), 1e-9) if len(voices) else 1.0
    return np.round(voices / largest * 127).astype(np.int8).tobytes()


def unpacked(stored: bytes, count: int) -> Floats:
    """Return ``count`` packed voices, float32 [count, d] of unit length."""
    rows = np.frombuffer(stored, np.int8).reshape(count, -1).astype(np.float32)
    return np.asarray(rows / np.maximum(1e-6, np.linalg.norm(rows, axis=1, keepdims=True)), np.float32)
