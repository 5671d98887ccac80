"""Language of a live session with language detection: undecided until there was enough voice.

Whisper mostly detects a word or two as English. So a word or two decide nothing, and the language of a short utterance
is detected from its voice together with the voice of the utterances before it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import TakeoverState
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_gate import WINDOW_MS, WINDOW_SAMPLES
from stt_transcriber.core.audio.vad_track import VadTrack

DECIDE_AFTER_MS = 3_000
"""Enough voice to detect its language. Measured with base in five languages: 35 of 36 pieces were right; of pieces of
2 s, 31 of 38; of utterances of one second, 80 of 152; but of such utterances joined to 3 s, all 60."""
SWITCH_AFTER_MS = 5_000
"""Least voice in an utterance that may change the language."""
DECIDES_ABOVE = 0.5
"""Least probability at which a language is decided."""
_MARGIN = 3
"""Windows kept on either side of voice, because sounds begin and end softly."""
_KEPT_SAMPLES = DECIDE_AFTER_MS * 16


@dataclass(frozen=True)
class Voice:
    """Voice in a piece of audio. ``samples``: int16 [n], including margins; ``voiced_ms``: length without margins."""

    samples: NDArray[np.int16]
    voiced_ms: int

    def then(self, later: "Voice") -> "Voice":
        """Return this voice joined with a later one, without the audio between them."""
        return Voice(np.concatenate([self.samples, later.samples]), self.voiced_ms + later.voiced_ms)

    def as_float(self) -> NDArray[np.float32]:
        """Return the samples as float32 [n] in -1…1."""
        return self.samples.astype(np.float32) / 32768.0


NO_VOICE = Voice(np.zeros(0, np.int16), 0)


def voice_in(buffer: RollingBuffer, track: VadTrack, begin: int, end: int) -> Voice:
    """Return the voice between two positions, counting only windows that lie entirely between them."""
    begin, end = -(-begin // WINDOW_SAMPLES) * WINDOW_SAMPLES, end // WINDOW_SAMPLES * WINDOW_SAMPLES
    stretches = track.stretches(begin, end, _MARGIN)
    if not stretches:
        return NO_VOICE
    samples = np.concatenate([buffer.as_float(*stretch) for stretch in stretches])
    return Voice((samples * 32768.0).astype(np.int16), track.voiced(begin, end) * WINDOW_MS)


@dataclass(frozen=True)
class LanguageChoice:
    """Language fields of a ``DecodeRequest``."""

    language: str | None = None
    language_samples: NDArray[np.float32] | None = None
    expected_language: str | None = None


class SessionLanguage:
    """Language of one session.

    ``decided``: the language, None while undecided. ``evidence``: the voice collected until then.
    """

    def __init__(self, asked_for: str | None, carried: TakeoverState) -> None:
        self._asked_for = asked_for
        self.decided = asked_for or carried.language
        self.evidence = Voice(np.frombuffer(carried.voice, np.int16), carried.voiced_ms)

    def choose(self, voice: Voice) -> LanguageChoice:
        """Choose how to detect the language of an utterance with this voice."""
        if self.decided is None:
            alone = voice.voiced_ms >= DECIDE_AFTER_MS or not self.evidence.voiced_ms
            return LanguageChoice(language_samples=None if alone else self.evidence.then(voice).as_float())
        if self._asked_for or voice.voiced_ms < SWITCH_AFTER_MS:
            return LanguageChoice(self.decided)
        return LanguageChoice(expected_language=self.decided)

    def final_language(self, voice: Voice, detected: str, probability: float) -> str:
        """Return the language for the final of an utterance with this voice; may decide the session's language.

        ``detected`` and ``probability`` come from a decode with the language that ``choose`` returned.
        """
        if self.decided is not None:
            if not self._asked_for and voice.voiced_ms >= SWITCH_AFTER_MS:
                self.decided = detected
            return self.decided
        collected = voice if voice.voiced_ms >= DECIDE_AFTER_MS else self.evidence.then(voice)
        if collected.voiced_ms >= DECIDE_AFTER_MS and probability >= DECIDES_ABOVE:
            self.decided, self.evidence = detected, NO_VOICE
        else:
            self.evidence = Voice(collected.samples[-_KEPT_SAMPLES:], min(collected.voiced_ms, DECIDE_AFTER_MS))
        return detected
