"""The language of a live session with detection: open until enough voice was heard.

Whisper takes a word or two for English, mostly. So they decide nothing, and the language of a short utterance is
detected in its voice together with that of the utterances before it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import TakeoverState
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_gate import WINDOW_MS, WINDOW_SAMPLES
from stt_transcriber.core.audio.vad_track import VadTrack

DECIDE_AFTER_MS = 3_000
"""Enough voice to tell its language. Measured with base in five languages: 35 of 36 pieces right, of 2 s 31 of 38, of
sayings of a second 80 of 152, but of 3 s of such sayings joined all of 60."""
SWITCH_AFTER_MS = 5_000
"""Voice of an utterance that may change the language."""
DECIDES_ABOVE = 0.5
"""Least probability of a language to decide on."""
_MARGIN = 3
"""Windows kept around voice: sounds begin and end softly."""
_KEPT_SAMPLES = DECIDE_AFTER_MS * 16


@dataclass(frozen=True)
class Voice:
    """The voice in a piece of audio. ``samples``: int16 [n], margins included; ``voiced_ms``: without them."""

    samples: NDArray[np.int16]
    voiced_ms: int

    def then(self, later: "Voice") -> "Voice":
        """This voice and a later one, without what was between them."""
        return Voice(np.concatenate([self.samples, later.samples]), self.voiced_ms + later.voiced_ms)

    def as_float(self) -> NDArray[np.float32]:
        """float32 [n] in -1…1."""
        return self.samples.astype(np.float32) / 32768.0


NO_VOICE = Voice(np.zeros(0, np.int16), 0)


def voice_in(buffer: RollingBuffer, track: VadTrack, begin: int, end: int) -> Voice:
    """The voice between two positions, of the windows that lie in between as a whole."""
    begin, end = -(-begin // WINDOW_SAMPLES) * WINDOW_SAMPLES, end // WINDOW_SAMPLES * WINDOW_SAMPLES
    stretches = track.stretches(begin, end, _MARGIN)
    if not stretches:
        return NO_VOICE
    samples = np.concatenate([buffer.as_float(*stretch) for stretch in stretches])
    return Voice((samples * 32768.0).astype(np.int16), track.voiced(begin, end) * WINDOW_MS)


@dataclass(frozen=True)
class LanguageChoice:
    """How a request finds its language; see ``DecodeRequest``."""

    language: str | None = None
    language_samples: NDArray[np.float32] | None = None
    expected_language: str | None = None


class SessionLanguage:
    """``decided``: the language, None while it is open. ``evidence``: the voice that was heard meanwhile."""

    def __init__(self, asked_for: str | None, carried: TakeoverState) -> None:
        self._asked_for = asked_for
        self.decided = asked_for or carried.language
        self.evidence = Voice(np.frombuffer(carried.voice, np.int16), carried.voiced_ms)

    def choose(self, voice: Voice) -> LanguageChoice:
        """How to find the language of an utterance with this voice."""
        if self.decided is None:
            alone = voice.voiced_ms >= DECIDE_AFTER_MS or not self.evidence.voiced_ms
            return LanguageChoice(language_samples=None if alone else self.evidence.then(voice).as_float())
        if self._asked_for or voice.voiced_ms < SWITCH_AFTER_MS:
            return LanguageChoice(self.decided)
        return LanguageChoice(expected_language=self.decided)

    def final_language(self, voice: Voice, detected: str, probability: float) -> str:
        """The language of the final of an utterance with this voice, decoded as ``choose`` said; may decide."""
        if self.decided is not None:
            if not self._asked_for and voice.voiced_ms >= SWITCH_AFTER_MS:
                self.decided = detected
            return self.decided
        heard = voice if voice.voiced_ms >= DECIDE_AFTER_MS else self.evidence.then(voice)
        if heard.voiced_ms >= DECIDE_AFTER_MS and probability >= DECIDES_ABOVE:
            self.decided, self.evidence = detected, NO_VOICE
        else:
            self.evidence = Voice(heard.samples[-_KEPT_SAMPLES:], min(heard.voiced_ms, DECIDE_AFTER_MS))
        return detected
