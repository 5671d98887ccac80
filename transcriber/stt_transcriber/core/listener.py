"""The voice model and its gate on a session's audio: where speech begins and ends, in positions of the session."""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.core.buffer import RollingBuffer
from stt_transcriber.core.speech import WINDOW_MS, WINDOW_SAMPLES, GatePolicy, SpeechGate
from stt_transcriber.core.voice_track import VoiceTrack

Voice = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""float32 [n * 512] -> probability of voice [n]; carries its own state from call to call."""


class Listener:
    """The voice model hears audio as it comes; the gate follows window by window, as far as it is led.

    ``position``: how far the gate is. ``track``: the probabilities up to there.
    """

    def __init__(self, voice: Voice, policy: GatePolicy, base: int) -> None:
        self._voice = voice
        self._base = base
        self._ahead: deque[float] = deque()  # heard, and not yet taken by the gate
        self.gate = SpeechGate(policy)
        self.track = VoiceTrack(base, policy.offset_probability)
        self.position = base

    @property
    def has_more(self) -> bool:
        """There are windows that the gate has not taken."""
        return bool(self._ahead)

    @property
    def speech_start(self) -> int:
        """Where the last speech began."""
        return self.at(self.gate.speech_start_window)

    @property
    def speech_end(self) -> int:
        """Behind the last window that held speech."""
        return self.at(self.gate.speech_end_window)

    @property
    def voiced_ms(self) -> int:
        """Of the open utterance."""
        return self.gate.speech_windows * WINDOW_MS

    def hear(self, buffer: RollingBuffer) -> None:
        """Listens to what is new, in whole windows."""
        begin = self.position + len(self._ahead) * WINDOW_SAMPLES
        windows = (buffer.end - begin) // WINDOW_SAMPLES
        if windows:
            self._ahead.extend(self._voice(buffer.as_float(begin, begin + windows * WINDOW_SAMPLES)).tolist())

    def step(self) -> bool:
        """Leads the gate through the next window; True when speech began."""
        probability = self._ahead.popleft()
        self.position += WINDOW_SAMPLES
        self.track.append(probability)
        return self.gate.update(probability)

    def at(self, window: int) -> int:
        """Position of a window of the gate."""
        return self._base + window * WINDOW_SAMPLES
