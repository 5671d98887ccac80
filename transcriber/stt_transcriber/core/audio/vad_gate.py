"""Conversion of the VAD model's probabilities to speech and silence, with hysteresis."""

from dataclasses import dataclass

from stt_shared.contracts.session import AUDIO_RATE_HZ

WINDOW_SAMPLES = 512
"""Samples per probability: 32 ms at 16 kHz."""
WINDOW_MS = WINDOW_SAMPLES * 1000 // AUDIO_RATE_HZ


@dataclass(frozen=True)
class GatePolicy:
    """Conditions for the start and end of speech.

    The two thresholds differ so that a fluctuating probability does not split an utterance.
    """

    onset_probability: float = 0.5
    offset_probability: float = 0.35
    onset_windows: int = 3


@dataclass(frozen=True)
class GateState:
    """Complete state of a gate."""

    window: int
    rising: int
    in_speech: bool
    speech_start_window: int
    speech_end_window: int
    speech_windows: int
    eager_until: int = 0


class VadGate:
    """Gate that receives one probability per window of 512 samples; counts windows from ``first_window``."""

    def __init__(self, policy: GatePolicy, first_window: int = 0) -> None:
        self._policy = policy
        self._window = first_window
        self._rising = 0
        self.in_speech = False
        self.speech_start_window = 0
        self.speech_end_window = 0  # one after the last window that held speech
        self.speech_windows = 0
        self._eager_until = 0

    @property
    def silence_ms(self) -> int:
        """Milliseconds since the last speech; only meaningful while ``in_speech``."""
        return (self._window - self.speech_end_window) * WINDOW_MS

    @property
    def is_rest(self) -> bool:
        """Whether the current speech is the rest of an interrupted utterance."""
        return self.in_speech and self.speech_start_window < self._eager_until

    @property
    def is_rising(self) -> bool:
        """Whether speech may be starting: at most one window is missing for an onset."""
        return not self.in_speech and self._rising >= self._policy.onset_windows - 1 > 0

    def update(self, probability: float) -> bool:
        """Process the next window; return True if speech began (at ``speech_start_window``, some windows earlier)."""
        self._window += 1
        if self.in_speech:
            if probability >= self._policy.offset_probability:
                self.speech_end_window = self._window
                self.speech_windows += 1
            return False
        self._rising = self._rising + 1 if probability >= self._policy.onset_probability else 0
        if self._rising < (1 if self._window <= self._eager_until else self._policy.onset_windows):
            return False
        self.begin()
        return True

    def begin(self) -> None:
        """Begin speech at the first rising window, even if too few are rising (the audio may end here)."""
        self.in_speech = True
        self.speech_start_window = self._window - self._rising
        self.speech_end_window = self._window
        self.speech_windows = self._rising
        self._rising = 0

    def end(self) -> None:
        """Close the utterance; the next one needs a new onset."""
        self.in_speech = False
        self._rising = 0
        self._eager_until = 0

    def interrupt(self, pause_ms: int) -> None:
        """Close the utterance because no audio arrived.

        Until ``pause_ms`` of silence follow its last speech, a single window of voice counts as its rest.
        """
        self.end()
        self._eager_until = self.speech_end_window + pause_ms // WINDOW_MS
        # The next window may still hold sound from the closed utterance.
        self._rising = -1

    def split(self, at_window: int, voiced: int) -> None:
        """Split the utterance in mid-speech, before ``at_window``; the speech continues.

        ``voiced``: number of windows since the cut that held speech.
        """
        self.speech_start_window = at_window
        self.speech_windows = voiced

    def state(self) -> GateState:
        """Return a copy of the state."""
        return GateState(
            self._window,
            self._rising,
            self.in_speech,
            self.speech_start_window,
            self.speech_end_window,
            self.speech_windows,
            self._eager_until,
        )

    def restore(self, state: GateState) -> None:
        """Restore a state that ``state`` returned."""
        self._window, self._rising, self.in_speech = state.window, state.rising, state.in_speech
        self.speech_start_window, self.speech_end_window = state.speech_start_window, state.speech_end_window
        self.speech_windows = state.speech_windows
        self._eager_until = state.eager_until
