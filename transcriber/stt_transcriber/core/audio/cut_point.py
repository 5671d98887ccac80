"""Cut points for speech without a pause that is long enough to end it: between words if at all possible."""

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES
from stt_transcriber.core.audio.vad_track import VadTrack

_SAMPLES_PER_MS = AUDIO_RATE_HZ // 1000
_SPAN = AUDIO_RATE_HZ // 10
_SHORTEST_PAUSE = 2 * WINDOW_SAMPLES
"""A single window without voice may be a stop consonant, whose closure takes up to about 60 ms."""


def cut_point(buffer: RollingBuffer, track: VadTrack, begin: int, end: int) -> int:
    """Return the quietest moment of the longest pause between two positions, rounded down to a whole millisecond.

    Without a pause, it is the quietest moment of the whole range. Loudness alone would prefer the closure of a long
    consonant to a pause with noise in it.
    """
    pause = track.longest_pause(begin, end)
    if pause is not None and pause[1] - pause[0] >= _SHORTEST_PAUSE:
        begin, end = pause
    return whole_ms(buffer.quietest(begin, end, _SPAN))


def whole_ms(position: int) -> int:
    """Round a position down to a whole millisecond: clients receive the committed position in milliseconds."""
    return position // _SAMPLES_PER_MS * _SAMPLES_PER_MS
