"""Where to cut speech that does not pause long enough to end by itself: between words, if at all possible."""

from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES
from stt_transcriber.core.audio.vad_track import VadTrack
from stt_transcriber.core.decoding import SAMPLE_RATE

_SAMPLES_PER_MS = SAMPLE_RATE // 1000
_SPAN = SAMPLE_RATE // 10
_SHORTEST_PAUSE = 2 * WINDOW_SAMPLES
"""One window without voice may be a stop consonant, whose closure takes up to some 60 ms."""


def cut_point(buffer: RollingBuffer, track: VadTrack, begin: int, end: int) -> int:
    """The quietest moment of the longest pause between two positions; where nobody pauses, of all. A whole
    millisecond.

    Loudness alone would choose the closure of a long consonant over a pause with noise in it.
    """
    pause = track.longest_pause(begin, end)
    if pause is not None and pause[1] - pause[0] >= _SHORTEST_PAUSE:
        begin, end = pause
    return whole_ms(buffer.quietest(begin, end, _SPAN))


def whole_ms(position: int) -> int:
    """The last exact millisecond up to a position: clients are told in milliseconds what is committed."""
    return position // _SAMPLES_PER_MS * _SAMPLES_PER_MS
