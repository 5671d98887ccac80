"""Voices in a live session: which windows of an utterance are heard with its final, and who says its words."""

from collections.abc import Sequence

import numpy as np

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES
from stt_transcriber.core.audio.vad_track import Span, VadTrack
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS
from stt_transcriber.core.speakers.clustering import Floats
from stt_transcriber.core.speakers.session import Part
from stt_transcriber.core.speakers.windows import sparse_windows_in
from stt_transcriber.core.text.agreement import PlacedWord

_MARGIN_WINDOWS = 2
"""Windows of the VAD by which speech is widened at both ends; a shorter pause does not divide it."""


class LiveVoices:
    """Voices of one session, or of one of its channels."""

    def __init__(self, track: VadTrack) -> None:
        self._track = track
        self._heard: dict[Span, Floats] = {}

    def wanted(self, begin: int, end: int) -> tuple[Span, ...]:
        """Return the windows of an utterance whose voices are not known yet, in samples of the session."""
        return tuple(window for _, window in self._parts(begin, end) if window not in self._heard)

    def keep(self, windows: Sequence[Span], voices: Floats) -> None:
        """Keep the voices, float32 [n, d], of ``windows``."""
        self._heard.update(zip(windows, voices, strict=True))

    def forget(self, committed: int) -> None:
        """Drop the voices of audio that is settled."""
        self._heard = {window: voice for window, voice in self._heard.items() if window[1] > committed}

    def parts_of(self, words: Sequence[PlacedWord], begin: int, end: int) -> list[Part]:
        """Return the parts of a final's ``words``, none of them empty; ``begin``, ``end``: what was decoded."""
        parts = self._parts(begin, end)
        if not parts:
            return [Part(len(words), None, 0.0)]
        middles = np.array([(word.start_ms + word.end_ms) / 2 * SAMPLES_PER_MS for word in words])[:, None]
        starts, stops = np.array([part for part, _ in parts]).T
        away = np.maximum(0.0, np.maximum(starts - middles, middles - stops))
        # Words are in order, whatever their times say.
        nearest = np.maximum.accumulate(np.argmin(away, axis=1))
        return [
            Part(int(np.sum(nearest == at)), self._heard.get(window), (part[1] - part[0]) / AUDIO_RATE_HZ)
            for at, (part, window) in enumerate(parts)
            if np.any(nearest == at)
        ]

    def _parts(self, begin: int, end: int) -> list[tuple[Span, Span]]:
        # Only whole windows of the VAD: one that extends beyond the end may or may not have been processed yet.
        speech = self._track.stretches(begin, end // WINDOW_SAMPLES * WINDOW_SAMPLES, _MARGIN_WINDOWS)
        return sparse_windows_in([(max(start, begin), min(stop, end)) for start, stop in speech])
