"""VAD model and gate on a session's audio: the start and end of speech, as positions in the session."""

from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_gate import WINDOW_MS, WINDOW_SAMPLES, GatePolicy, VadGate
from stt_transcriber.core.audio.vad_track import VadTrack

Voice = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""VAD function: float32 [n * 512] -> probability of voice [n]; keeps its own state between calls."""


class VadModel(Protocol):
    """VAD model whose state can be saved and restored."""

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of voice per window; see ``Voice``."""
        ...

    def state(self) -> bytes:
        """Return the state of the model."""
        ...

    def restore(self, state: bytes) -> None:
        """Restore a state that ``state`` returned."""
        ...


class VadStream:
    """VAD model that processes audio as it arrives, and a gate that follows one window per ``step``.

    ``base``: position of the start, a whole number of windows, so that every owner of a session processes the same
    windows. ``position``: position up to which the gate has processed the audio. ``track``: probabilities up to there.
    """

    def __init__(self, voice: Voice, policy: GatePolicy, base: int) -> None:
        self._voice = voice
        self._ahead: deque[float] = deque()  # probabilities not yet processed by the gate
        self.gate = VadGate(policy, base // WINDOW_SAMPLES)
        self.track = VadTrack(base, policy.offset_probability)
        self.position = base

    @property
    def has_more(self) -> bool:
        """Whether there are windows that the gate has not processed."""
        return bool(self._ahead)

    @property
    def speech_start(self) -> int:
        """Position where the last speech began."""
        return self.at(self.gate.speech_start_window)

    @property
    def speech_end(self) -> int:
        """Position after the last window that held speech."""
        return self.at(self.gate.speech_end_window)

    @property
    def voiced_ms(self) -> int:
        """Milliseconds of voice in the open utterance."""
        return self.gate.speech_windows * WINDOW_MS

    def process(self, buffer: RollingBuffer) -> int:
        """Run the VAD model on new audio, in whole windows; return the position up to which it has processed it."""
        begin = self.position + len(self._ahead) * WINDOW_SAMPLES
        windows = max(0, buffer.end - begin) // WINDOW_SAMPLES
        end = begin + windows * WINDOW_SAMPLES
        if windows:
            self._ahead.extend(self._voice(buffer.as_float(begin, end)).tolist())
        return end

    def step(self) -> bool:
        """Move the gate to the next window; return True if speech began."""
        probability = self._ahead.popleft()
        self.position += WINDOW_SAMPLES
        self.track.append(probability)
        return self.gate.update(probability)

    def at(self, window: int) -> int:
        """Return the position of a window of the gate."""
        return window * WINDOW_SAMPLES

    def split(self, at: int) -> None:
        """Split the utterance at position ``at``; the speech continues."""
        self.gate.split(at // WINDOW_SAMPLES, self.track.voiced(at, self.position))
