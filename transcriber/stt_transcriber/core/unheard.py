"""Whether a text leaves speech out. Whisper passes over sentences now and then, most of all behind the end of one or
where somebody says the same again; the voice track knows that he spoke."""

from collections.abc import Sequence

from stt_shared.contracts.session import Task
from stt_transcriber.core.agreement import PlacedWord
from stt_transcriber.core.buffer import RollingBuffer
from stt_transcriber.core.cut_point import cut_point
from stt_transcriber.core.hypothesis import SAMPLE_RATE
from stt_transcriber.core.speech import WINDOW_MS, WINDOW_SAMPLES
from stt_transcriber.core.voice_track import VoiceTrack

_SAMPLES_PER_MS = SAMPLE_RATE // 1000
_UNHEARD_MS = 800
"""So much voice without a word holds words. Whisper's times waver, and the voice model echoes: between the words of
whole texts there were 610 ms at most, behind them 380."""
_WAVER = 500 * _SAMPLES_PER_MS
"""A word may end so much later than its time says, or begin so much sooner. No part is shorter, so that a model that
says a word at a time comes to an end."""
_MOST_WORDS_PER_S = 10
"""Nobody speaks faster: times that crowd like this tell nothing, and words would be said twice."""


def heard_to(
    words: Sequence[PlacedWord],
    buffer: RollingBuffer,
    track: VoiceTrack,
    begin: int,
    end: int,
    task: Task,
    *,
    shortened: bool,
) -> tuple[int, int]:
    """Of a decode of [begin, end) that gave ``words``, at least one: how many of them come before speech without any,
    and a position behind them, from which to decode on.

    All of them, and ``end``: nothing is left out. None of them: the words that begin it are missing; decoded without
    what is behind the position, they may be heard. That is tried once: not for a range that was ``shortened``.
    Positions are those of the session, cuts are whole milliseconds inside the range. Only windows that lie in it count:
    whoever asks, and however late, is told the same.
    """
    # A translation has its own order: the last word may have been said first.
    if task is Task.TRANSCRIBE and not _times_crowd(words):
        heard = end // WINDOW_SAMPLES * WINDOW_SAMPLES
        said_to = begin
        for count, word in enumerate(words):
            start = min(word.start_ms * _SAMPLES_PER_MS, heard)
            if (count or not shortened) and _is_speech(track, said_to, start):
                if count:
                    return count, _cut_behind(max(said_to, begin + _WAVER), start, buffer, track)
                return 0, cut_point(buffer, track, start - _WAVER, start)
            said_to = word.end_ms * _SAMPLES_PER_MS
        if _is_speech(track, said_to, heard):
            return len(words), _cut_behind(max(said_to, begin + _WAVER), heard, buffer, track)
    return len(words), end


def _is_speech(track: VoiceTrack, begin: int, end: int) -> bool:
    first = -(-begin // WINDOW_SAMPLES) * WINDOW_SAMPLES
    return track.voiced(first, end // WINDOW_SAMPLES * WINDOW_SAMPLES) * WINDOW_MS >= _UNHEARD_MS


def _cut_behind(position: int, end: int, buffer: RollingBuffer, track: VoiceTrack) -> int:
    return cut_point(buffer, track, position, min(end, position + _WAVER))


def _times_crowd(words: Sequence[PlacedWord]) -> bool:
    return any(
        later.start_ms - word.start_ms < 1000 for word, later in zip(words, words[_MOST_WORDS_PER_S:], strict=False)
    )
