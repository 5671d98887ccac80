"""Start and end of speech, by the probability of each window."""

import pytest

from stt_transcriber.core.audio.vad_gate import GatePolicy, VadGate

pytestmark = pytest.mark.unit


def test_gate_ignores_a_wavering_voice() -> None:
    gate = VadGate(GatePolicy())
    began = [gate.update(p) for p in (0.6, 0.2, 0.6, 0.7, 0.8, 0.4, 0.4, 0.1)]
    assert began == [False, False, False, False, True, False, False, False]
    assert gate.speech_start_window == 2
    assert gate.silence_ms == 32, "0.4 is not speech enough to begin, but enough to go on"
