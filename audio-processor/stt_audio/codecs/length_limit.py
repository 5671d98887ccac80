"""Limit on the audio that a session or file may decode to, in however many recordings."""

from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import AUDIO_RATE_HZ


class LengthLimit:
    """Counter of decoded samples at 16 kHz: each channel may have ``max_samples``. ``done_samples``: decoded before."""

    def __init__(self, max_samples: int, done_samples: int = 0) -> None:
        self._max_samples = max_samples
        self.left_samples = max_samples - done_samples
        """Samples that may still be decoded; below 0 beyond the limit."""

    def count(self, n_samples: int) -> None:
        """Count samples. Raises SttError(too_large) beyond the limit."""
        self.count_tail(n_samples)
        if self.left_samples < 0:
            raise self.exceeded()

    def count_tail(self, n_samples: int) -> None:
        """Count what was held back until a recording's end. It is not refused: its length was hardly known before."""
        self.left_samples -= n_samples

    def exceeded(self) -> SttError:
        """Return the error that names the limit."""
        longest_s = self._max_samples / AUDIO_RATE_HZ
        return SttError("too_large", f"the audio is longer than the {longest_s:g} s that are allowed")
