"""A cutter that goes on from another's state cuts the same chunks, wherever the first one stopped."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from stt_transcriber.core.audio.vad_gate import GatePolicy
from stt_transcriber.core.files.cutter import ChunkCutter, CutChunk, CutterPolicy
from stt_transcriber.files import cutter_state
from stt_transcriber.vad.models import RmsVad, VadModel, load_vad

pytestmark = pytest.mark.unit

POLICY = CutterPolicy(max_chunk=5 * 16000, look_back=2 * 16000, long_pause=16000, telling=2 * 16000)


def speech() -> NDArray[np.int16]:
    """40 s: a wavering vowel with pauses of all kinds, and once 12 s without any."""
    random = np.random.default_rng(4)
    seconds = np.arange(40 * 16000) / 16000
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 3 * seconds)) / 16000
    vowel = sum(np.sin(n * phase) / n for n in range(1, 20)) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * seconds))
    loudness = np.full(len(seconds), 3.0)
    at = 12 * 16000
    while at < len(seconds):
        end = at + int(random.integers(1000, 30000))
        loudness[at:end] = 0.0
        at = end + int(random.integers(3000, 60000))
    return (vowel * loudness * 1000 + random.normal(0, 3, len(seconds))).astype(np.int16)


def gate_for(new_vad: Callable[[], VadModel]) -> GatePolicy:
    """Thresholds that this voice model crosses often, whatever it takes the vowel for."""
    heard = new_vad().probabilities(speech().astype(np.float32) / 32768.0)
    offset, onset = np.quantile(heard, [0.4, 0.55])
    return GatePolicy(onset_probability=float(onset), offset_probability=float(offset))


def pair(
    new_vad: Callable[[], VadModel], gate: GatePolicy, policy: CutterPolicy = POLICY
) -> tuple[ChunkCutter, VadModel]:
    voice = new_vad()
    return ChunkCutter(voice.probabilities, gate, policy), voice


def fields(chunks: list[CutChunk]) -> list[tuple[int, bytes, float, bytes, bytes]]:
    return [(c.start, c.samples.tobytes(), c.voice_share, c.voiced, c.evidence.tobytes()) for c in chunks]


@pytest.mark.parametrize("telling_s", [2, 1000])
@pytest.mark.parametrize("new_vad", [RmsVad, load_vad("silero")], ids=["rms", "silero"])
def test_a_successor_cuts_on_in_the_same_way_from_every_second(new_vad: Callable[[], VadModel], telling_s: int) -> None:
    audio, gate = speech(), gate_for(new_vad)
    policy = replace(POLICY, telling=telling_s * 16000)
    cutter, voice = pair(new_vad, gate, policy)
    whole: list[CutChunk] = []
    states: list[tuple[int, int, bytes]] = []
    for at in range(0, len(audio), 16000):
        whole += cutter.feed(audio[at : at + 16000])
        states.append((len(whole), cutter.settled, cutter_state.packed([cutter], [voice])))
    whole += cutter.finish()
    assert len(whole) >= 5
    assert max(len(state) for n_before, _, state in states if n_before > 1) < 106_000, "3 s of voice and no chunk"
    for n_before, settled, state in states:
        successor, its_voice = pair(new_vad, gate, policy)
        cutter_state.restore(state, [successor], [its_voice])
        rest = [chunk for at in range(settled, len(audio), 7000) for chunk in successor.feed(audio[at : at + 7000])]
        assert fields(rest + successor.finish()) == fields(whole[n_before:])


def test_another_kind_of_voice_model_goes_on_without_its_memory() -> None:
    cutter, voice = pair(RmsVad, GatePolicy())
    cutter.feed(speech()[:16000])
    successor, its_voice = pair(load_vad("silero"), GatePolicy())
    cutter_state.restore(cutter_state.packed([cutter], [voice]), [successor], [its_voice])
    assert successor.position == cutter.settled
