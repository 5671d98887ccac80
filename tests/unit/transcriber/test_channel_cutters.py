"""Cutters of channels that are kept apart: nobody's speech is lost, nobody's silence decoded."""

import numpy as np
import pytest
from numpy.typing import NDArray
from support.fake_vad import LoudnessVad

from stt_transcriber.core.audio.vad_gate import GatePolicy
from stt_transcriber.core.files.channel_cutters import ChannelCutters
from stt_transcriber.core.files.cutter import ChunkCutter, CutChunk, CutterPolicy
from stt_transcriber.files import cutter_state

pytestmark = pytest.mark.unit

RATE = 16000
Audio = NDArray[np.int16]


def talks(duration_s: float, *spans: tuple[float, float], loudness: int = 8000) -> Audio:
    """Silence with speech between these seconds; each stretch has a loudness of its own."""
    samples = np.zeros(round(duration_s * RATE), np.int16)
    for number, (begin, end) in enumerate(spans):
        samples[round(begin * RATE) : round(end * RATE)] = loudness + number
    return samples


def cutters(n_channels: int, *, detects: bool = True) -> tuple[ChannelCutters, list[LoudnessVad]]:
    voices = [LoudnessVad() for _ in range(n_channels)]
    made = [ChunkCutter(voice.probabilities, GatePolicy(), CutterPolicy(), detects=detects) for voice in voices]
    return ChannelCutters(range(n_channels), made), voices


def fed(cutter: ChannelCutters, audio: Audio, start: int = 0, portion: int = RATE) -> list[list[CutChunk]]:
    """What each call returns."""
    calls = [cutter.feed(at, audio[at : at + portion]) for at in range(start, len(audio), portion)]
    calls.append(cutter.finish())
    return [chunks for chunks in calls if chunks]


def listed(calls: list[list[CutChunk]]) -> list[CutChunk]:
    return [chunk for chunks in calls for chunk in chunks]


def view(chunk: CutChunk) -> tuple[int | None, int, bytes, bytes]:
    return chunk.channel, chunk.start, chunk.samples.tobytes(), chunk.evidence.tobytes()


CALL = np.stack(
    [talks(60, (1, 12), (20, 24), (40, 58)), talks(60, (10, 19), (23, 24), (45, 50), loudness=9000)],
    axis=1,
)
"""Two parties who interrupt each other."""


def test_each_channel_is_cut_as_if_it_were_alone() -> None:
    found = listed(fed(cutters(2, detects=False)[0], CALL))
    for number in (0, 1):
        alone = ChunkCutter(LoudnessVad().probabilities, GatePolicy(), CutterPolicy(), detects=False)
        expected = alone.feed(CALL[:, number]) + alone.finish()
        ours = [(chunk.start, chunk.samples.tobytes()) for chunk in found if chunk.channel == number]
        assert ours == [(chunk.start, chunk.samples.tobytes()) for chunk in expected]


def test_silence_costs_nothing() -> None:
    found = listed(fed(cutters(2, detects=False)[0], CALL))
    spoken = np.count_nonzero(CALL) / RATE
    assert sum(len(chunk.samples) for chunk in found) / RATE < spoken + 0.5 * len(found)


def test_the_language_of_each_channel_is_detected_from_its_own_voice() -> None:
    late = np.stack([talks(40, (1, 3), (30, 33)), talks(40, (6, 7), (20, 21), loudness=9000)], axis=1)
    for chunk in listed(fed(cutters(2)[0], late)):
        assert chunk.evidence.max() // 1000 == (8, 9)[chunk.channel or 0]


@pytest.mark.parametrize("detects", [True, False])
def test_a_successor_cuts_on_in_the_same_way_from_every_second(detects: bool) -> None:
    cutter, voices = cutters(2, detects=detects)
    whole: list[CutChunk] = []
    states: list[tuple[int, int, bytes]] = []
    for at in range(0, len(CALL), RATE):
        whole += cutter.feed(at, CALL[at : at + RATE])
        states.append((len(whole), cutter.settled, cutter_state.packed(cutter.cutters, voices)))
    whole += listed(fed(cutter, CALL, start=len(CALL)))
    assert len(whole) > 4
    for n_before, settled, state in states:
        successor, its_voices = cutters(2, detects=detects)
        cutter_state.restore(state, successor.cutters, its_voices)
        start = settled // RATE * RATE  # frames are whole
        rest = listed(fed(successor, CALL, start=start))
        assert [view(chunk) for chunk in rest] == [view(chunk) for chunk in whole[n_before:]]


def test_mixed_channels_have_no_number() -> None:
    cutter = ChannelCutters((), [ChunkCutter(LoudnessVad().probabilities, GatePolicy(), CutterPolicy())])
    assert {chunk.channel for chunk in listed(fed(cutter, CALL[:, :1]))} == {None}
