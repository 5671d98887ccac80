"""From the voice model's probabilities to speech and silence, with hysteresis."""

from dataclasses import dataclass

WINDOW_SAMPLES = 512
"""Samples per probability: 32 ms at 16 kHz."""
WINDOW_MS = WINDOW_SAMPLES * 1000 // 16000


@dataclass(frozen=True)
class GatePolicy:
    """When speech begins and ends. The two thresholds lie apart so that a wavering voice does not chop an utterance."""

    onset_probability: float = 0.5
    offset_probability: float = 0.35
    onset_windows: int = 3


@dataclass(frozen=True)
class GateState:
    """All that a gate remembers."""

    window: int
    rising: int
    in_speech: bool
    speech_start_window: int
    speech_end_window: int
    speech_windows: int
    eager_until: int = 0


class VadGate:
    """Fed one probability per window of 512 samples; counts windows from the first."""

    def __init__(self, policy: GatePolicy, first_window: int = 0) -> None:
        self._policy = policy
        self._window = first_window
        self._rising = 0
        self.in_speech = False
        self.speech_start_window = 0
        self.speech_end_window = 0  # one behind the last window that held speech
        self.speech_windows = 0
        self._eager_until = 0

    @property
    def silence_ms(self) -> int:
        """Since the last speech; meaningful while ``in_speech``."""
        return (self._window - self.speech_end_window) * WINDOW_MS

    @property
    def is_rest(self) -> bool:
        """What is spoken is the rest of an utterance that was interrupted."""
        return self.in_speech and self.speech_start_window < self._eager_until

    @property
    def is_rising(self) -> bool:
        """Speech is just beginning: one window less than an onset needs, so far."""
        return not self.in_speech and self._rising >= self._policy.onset_windows - 1 > 0

    def update(self, probability: float) -> bool:
        """Takes the next window; True when speech began (looking back to ``speech_start_window``)."""
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
        """Speech began with the windows that were rising, enough of them or not (the audio may end here)."""
        self.in_speech = True
        self.speech_start_window = self._window - self._rising
        self.speech_end_window = self._window
        self.speech_windows = self._rising
        self._rising = 0

    def end(self) -> None:
        """The utterance was closed; the next one needs a new onset."""
        self.in_speech = False
        self._rising = 0
        self._eager_until = 0

    def interrupt(self, pause_ms: int) -> None:
        """The utterance was closed because no audio came: until so much silence is heard behind its last speech, one
        window of voice is its rest."""
        self.end()
        self._eager_until = self.speech_end_window + pause_ms // WINDOW_MS
        # The next window may still hold sound of the utterance that was closed.
        self._rising = -1

    def split(self, at_window: int, voiced: int) -> None:
        """The utterance was cut in mid-speech, before ``at_window``: since then ``voiced`` windows held speech, and it
        goes on."""
        self.speech_start_window = at_window
        self.speech_windows = voiced

    def state(self) -> GateState:
        """A copy of what is remembered."""
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
        """Goes on from a ``state``."""
        self._window, self._rising, self.in_speech = state.window, state.rising, state.in_speech
        self.speech_start_window, self.speech_end_window = state.speech_start_window, state.speech_end_window
        self.speech_windows = state.speech_windows
        self._eager_until = state.eager_until
