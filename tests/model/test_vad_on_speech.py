"""The voice activity models on a real voice."""

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from stt_transcriber.vad.models import SileroVad, load_vad

pytestmark = pytest.mark.model
WINDOW = 512
WORDS_S = ((3.75, 4.1), (8.1, 8.6))
PAUSES_S = ((4.25, 4.5), (9.2, 9.9))
"""After "matter" and after "better"; both hold audible breath, 10 to 20 dB above the recording's floor."""


def voice_share(
    samples: NDArray[np.float32], kind: Literal["silero", "rms"], spans_s: tuple[tuple[float, float], ...]
) -> list[float]:
    voice = load_vad(kind)().probabilities(samples[: len(samples) // WINDOW * WINDOW]) > 0.5
    return [float(np.mean(voice[int(begin * 31.25) : int(end * 31.25)])) for begin, end in spans_s]


def test_silero_finds_the_voice_and_its_pauses(beckett: NDArray[np.float32]) -> None:
    assert min(voice_share(beckett, "silero", WORDS_S)) > 0.7
    assert max(voice_share(beckett, "silero", PAUSES_S)) < 0.3


def test_rms_finds_the_voice_but_takes_some_breath_for_it(beckett: NDArray[np.float32]) -> None:
    words, pauses = voice_share(beckett, "rms", WORDS_S), voice_share(beckett, "rms", PAUSES_S)
    assert min(words) > 0.7
    # No strict bound as for Silero: that it cannot tell breath from a voice is its known limit.
    assert max(pauses) < min(words)


def heard_share(audio: NDArray[np.float32]) -> float:
    """Part of the windows with a voice, of a speaker 30 dB below the one who spoke for two minutes before."""
    loud = np.tile(audio, 12)
    both = np.concatenate([loud, np.zeros(16000, np.float32), audio * 10 ** (-30 / 20)])
    both = np.round(both * 32768) / 32768
    windows = len(both) // WINDOW
    voice = load_vad("silero")().probabilities(both[: windows * WINDOW].astype(np.float32))
    return float(np.mean(voice[(len(loud) + 16000) // WINDOW :] >= 0.5))


def test_a_quiet_speaker_behind_a_loud_one_is_heard(
    beckett: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = heard_share(beckett)
    monkeypatch.setattr(SileroVad, "_FORGETS_AFTER", 10**9)
    unforgetting = heard_share(beckett)
    assert heard > 0.3
    assert unforgetting < 0.1
