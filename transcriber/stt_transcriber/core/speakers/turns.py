"""A transcript with speakers: the voices of all chunks decide who said a word, and segments end where that changes."""

from collections.abc import Sequence

import numpy as np

from stt_shared.contracts.jobs import ChunkVoices, JobSegment
from stt_shared.contracts.segments import divided, words_of
from stt_shared.contracts.speakers import SpeakerCount
from stt_transcriber.core.audio.vad_track import Span
from stt_transcriber.core.speakers.clustering import Floats, Labels
from stt_transcriber.core.speakers.counting import speaker_voices
from stt_transcriber.core.speakers.words import speaker_of_words

_SAMPLES_PER_MS = 16


def packed_voices(windows: Sequence[Span], voices: Floats, channel: int | None = None) -> ChunkVoices:
    """Return the voices, float32 [n, d] of unit length, of windows of the file, as they are stored with a part."""
    largest = np.abs(voices).max(axis=1, keepdims=True) if len(voices) else 1.0
    small = np.round(voices / largest * 127).astype(np.int8)
    spans_ms = [(begin // _SAMPLES_PER_MS, end // _SAMPLES_PER_MS) for begin, end in windows]
    return ChunkVoices(spans_ms, small.tobytes(), channel)


def with_speakers(
    segments: Sequence[JobSegment], parts: Sequence[ChunkVoices], count: SpeakerCount
) -> list[JobSegment]:
    """Return the segments with a speaker for each and for each of its words, divided where the speaker changes.

    ``parts``: the voices of all chunks, in order. Speakers are named ``Speaker 1``, ``Speaker 2`` … in the order in
    which they first speak. The text stays the same. Of channels that were kept apart, voices are told apart together,
    and words have those of their own channel.
    """
    heard = [_Heard(part) for part in parts if part.spans_ms]
    speakers = speaker_voices(*_all(heard), count)
    words = [(word, segment.channel) for segment in segments for word in words_of(segment)]
    found = np.zeros(len(words), np.intp)
    for channel in {part.channel for part in heard}:
        mine = [index for index, (_, on) in enumerate(words) if on == channel]
        on_channel = [part for part in heard if part.channel == channel]
        windows = np.concatenate([part.windows for part in on_channel])
        similar = np.concatenate([part.voices for part in on_channel]) @ speakers.T
        spans = [(words[index][0].start, words[index][0].end) for index in mine]
        found[mine] = speaker_of_words(spans, windows, similar)
    names = iter(_names(found))
    return [part for segment in segments for part in divided(segment, [next(names) for _ in words_of(segment)])]


class _Heard:
    """The voices of a part, unpacked: ``windows``, float32 [n, 2], seconds; ``voices``, float32 [n, d]; ``fresh_s``,
    float32 [n], how much of each window no window before it covers."""

    def __init__(self, part: ChunkVoices) -> None:
        self.channel = part.channel
        self.windows = (np.array(part.spans_ms, np.float64) / 1000).astype(np.float32)
        rows = np.frombuffer(part.voices, np.int8).reshape(len(self.windows), -1).astype(np.float32)
        self.voices = np.asarray(rows / np.maximum(1e-6, np.linalg.norm(rows, axis=1, keepdims=True)), np.float32)
        ends = self.windows[:, 1]
        covered_until = np.concatenate([self.windows[:1, 0], np.maximum.accumulate(ends)[:-1]])
        self.fresh_s = np.asarray((ends - np.maximum(self.windows[:, 0], covered_until)).clip(0.0), np.float32)


def _all(heard: Sequence[_Heard]) -> tuple[Floats, Floats]:
    if not heard:
        return np.zeros((0, 1), np.float32), np.zeros(0, np.float32)
    return np.concatenate([part.voices for part in heard]), np.concatenate([part.fresh_s for part in heard])


def _names(found: Labels) -> list[str]:
    numbers = {speaker: number for number, speaker in enumerate(dict.fromkeys(found.tolist()), start=1)}
    return [f"Speaker {numbers[speaker]}" for speaker in found.tolist()]
