"""A transcript with speakers: the voices of all chunks decide who said a word, and segments end where that changes."""

from collections.abc import Sequence

import numpy as np

from stt_shared.contracts.jobs import ChunkVoices, JobSegment
from stt_shared.contracts.segments import divided, words_of
from stt_shared.contracts.speakers import KnownVoice, SpeakerCount
from stt_transcriber.core.audio.vad_track import Span
from stt_transcriber.core.speakers.clustering import Floats, Labels
from stt_transcriber.core.speakers.counting import speaker_voices
from stt_transcriber.core.speakers.known import known_names, packed, unpacked
from stt_transcriber.core.speakers.words import speaker_of_words

_SAMPLES_PER_MS = 16


def packed_voices(windows: Sequence[Span], voices: Floats, channel: int | None = None) -> ChunkVoices:
    """Return the voices, float32 [n, d] of unit length, of windows of the file, as they are stored with a part."""
    spans_ms = [(begin // _SAMPLES_PER_MS, end // _SAMPLES_PER_MS) for begin, end in windows]
    return ChunkVoices(spans_ms, packed(voices), channel)


def with_speakers(
    segments: Sequence[JobSegment],
    parts: Sequence[ChunkVoices],
    count: SpeakerCount,
    known: Sequence[KnownVoice] = (),
) -> list[JobSegment]:
    """Return the segments with a speaker for each and for each of its words, divided where the speaker changes.

    ``parts``: the voices of all chunks, in order. Speakers are named ``Speaker 1``, ``Speaker 2`` … in the order in
    which they first speak; those with a ``known`` voice have its name instead. The text stays the same. Nobody speaks
    on two of the channels that were kept apart: ``count`` is that of each, and their voices are told apart by
    themselves.
    """
    heard = [_Heard(part) for part in parts if part.spans_ms]
    words = [(word, segment.channel) for segment in segments for word in words_of(segment)]
    found = np.zeros(len(words), np.intp)
    speakers: list[Floats] = []
    for channel in sorted({channel for _, channel in words}, key=lambda channel: channel or 0):
        mine = [index for index, (_, on) in enumerate(words) if on == channel]
        on_channel = [part for part in heard if part.channel == channel]
        if not on_channel:
            found[mine] = -1 - (channel or 0)  # one speaker, whose voice is not known
            continue
        voices, fresh_s = _all(on_channel)
        theirs = speaker_voices(voices, fresh_s, count)
        windows = np.concatenate([part.windows for part in on_channel])
        spans = [(words[index][0].start, words[index][0].end) for index in mine]
        found[mine] = len(speakers) + speaker_of_words(spans, windows, voices @ theirs.T)
        speakers.extend(theirs)
    names = iter(_names(found, known_names(np.array(speakers, np.float32), known) if speakers else {}))
    return [part for segment in segments for part in divided(segment, [next(names) for _ in words_of(segment)])]


class _Heard:
    """The voices of a part, unpacked: ``windows``, float32 [n, 2], seconds; ``voices``, float32 [n, d]; ``fresh_s``,
    float32 [n], how much of each window no window before it covers."""

    def __init__(self, part: ChunkVoices) -> None:
        self.channel = part.channel
        self.windows = (np.array(part.spans_ms, np.float64) / 1000).astype(np.float32)
        self.voices = unpacked(part.voices, len(self.windows))
        ends = self.windows[:, 1]
        covered_until = np.concatenate([self.windows[:1, 0], np.maximum.accumulate(ends)[:-1]])
        self.fresh_s = np.asarray((ends - np.maximum(self.windows[:, 0], covered_until)).clip(0.0), np.float32)


def _all(heard: Sequence[_Heard]) -> tuple[Floats, Floats]:
    if not heard:
        return np.zeros((0, 1), np.float32), np.zeros(0, np.float32)
    return np.concatenate([part.voices for part in heard]), np.concatenate([part.fresh_s for part in heard])


def enrolled(parts: Sequence[ChunkVoices]) -> tuple[bytes, float]:
    """Return the mean voice of all windows, as it is stored, and the seconds of speech in them; b"" without any."""
    heard = [_Heard(part) for part in parts if part.spans_ms]
    voices, fresh_s = _all(heard)
    if not len(voices):
        return b"", 0.0
    return packed(voices.sum(axis=0)[None]), float(fresh_s.sum())


def _names(found: Labels, known: dict[int, str]) -> list[str]:
    numbers = {speaker: number for number, speaker in enumerate(dict.fromkeys(found.tolist()), start=1)}
    return [known.get(speaker, f"Speaker {numbers[speaker]}") for speaker in found.tolist()]
