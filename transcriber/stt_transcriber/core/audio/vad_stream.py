"""The voice model and its gate on a session's audio: where speech begins and ends, in positions of the session."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_gate import WINDOW_MS, WINDOW_SAMPLES, GatePolicy, VadGate
from stt_transcriber.core.audio.vad_track import VadTrack

Voice = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""float32 [n * 512] -> probability of voice [n]; carries its own state from call to call."""


class VadModel(Protocol):
    """A voice whose memory can be kept and put back."""

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Voice``."""
        ...

    def state(self) -> bytes:
        """What it remembers."""
        ...

    def restore(self, state: bytes) -> None:
        """Goes on from a ``state``."""
        ...


class VadStream:
    """The voice model hears audio as it comes; the gate follows window by window, as far as it is led.

    ``base``: where it begins, a whole number of windows: all who listen to a session hear the same windows.
    ``position``: how far the gate is. ``track``: the probabilities up to there.
    """

    def __init__(self, voice: Voice, policy: GatePolicy, base: int) -> None:
        self._voice = voice
        self._ahead: deque[float] = deque()  # heard, and not yet taken by the gate
        self.gate = VadGate(policy, base // WINDOW_SAMPLES)
        self.track = VadTrack(base, policy.offset_probability)
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

    def hear(self, buffer: RollingBuffer) -> int:
        """Listens to what is new, in whole windows; answers how far the voice model is."""
        begin = self.position + len(self._ahead) * WINDOW_SAMPLES
        windows = max(0, buffer.end - begin) // WINDOW_SAMPLES
        end = begin + windows * WINDOW_SAMPLES
        if windows:
            self._ahead.extend(self._voice(buffer.as_float(begin, end)).tolist())
        return end

    def step(self) -> bool:
        """Leads the gate through the next window; True when speech began."""
        probability = self._ahead.popleft()
        self.position += WINDOW_SAMPLES
        self.track.append(probability)
        return self.gate.update(probability)

    def at(self, window: int) -> int:
        """Position of a window of the gate."""
        return window * WINDOW_SAMPLES

    def split(self, at: int) -> None:
        """The utterance was cut at ``at``; speech goes on."""
        self.gate.split(at // WINDOW_SAMPLES, self.track.voiced(at, self.position))
