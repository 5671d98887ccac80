"""The cutter of files: where chunks end, and by what voice the language of each is detected."""

import numpy as np
import pytest
from numpy.typing import NDArray
from support.fake_vad import LoudnessVad

from stt_transcriber.core.audio.vad_gate import GatePolicy
from stt_transcriber.core.files.cutter import ChunkCutter, CutChunk, CutterPolicy

pytestmark = pytest.mark.unit


def cut(audio: NDArray[np.int16], portion: int, policy: CutterPolicy | None = None) -> list[CutChunk]:
    cutter = ChunkCutter(LoudnessVad().probabilities, GatePolicy(), policy or CutterPolicy())
    chunks = [chunk for at in range(0, len(audio), portion) for chunk in cutter.feed(audio[at : at + portion])]
    return chunks + cutter.finish()


def sayings(*lengths_s: float) -> NDArray[np.int16]:
    """Each of a loudness of its own, with five seconds of silence after it."""
    parts = [np.full(round(length * 16000), 8000 + n, np.int16) for n, length in enumerate(lengths_s)]
    return np.concatenate([part for loud in parts for part in (loud, np.zeros(5 * 16000, np.int16))])


def levels(samples: NDArray[np.int16]) -> set[int]:
    """Loudnesses other than silence."""
    return set(np.unique(samples).tolist()) - {0}


def speech(*parts: tuple[float, bool]) -> NDArray[np.int16]:
    rng = np.random.default_rng(1)
    pieces = [rng.integers(-6000, 6000, round(s * 16000)) if loud else np.zeros(round(s * 16000)) for s, loud in parts]
    return np.concatenate(pieces).astype(np.int16)


class TestCutter:
    def test_cuts_at_pauses_never_in_speech_and_loses_no_speech(self) -> None:
        audio = speech(*[(4.0, True), (0.5, False)] * 30)
        chunks = cut(audio, 16000)
        assert all(len(chunk.samples) <= 28 * 16000 for chunk in chunks)
        covered = np.zeros(len(audio), bool)
        for chunk in chunks:
            end = chunk.start + len(chunk.samples)
            assert not covered[chunk.start : end].any(), "chunks overlap"
            covered[chunk.start : end] = True
            assert np.array_equal(chunk.samples, audio[chunk.start : end])
            for edge in (chunk.start, end - 1):
                assert edge in (0, len(audio) - 1) or audio[edge] == 0, "cut in speech"
        assert covered[np.abs(audio) > 0].all(), "speech left out"

    def test_portions_make_no_difference(self) -> None:
        audio = speech((3, False), (40, True), (5, False), (2, True), (1, False))
        left, right = cut(audio, 16000), cut(audio, 777)
        assert [(chunk.start, len(chunk.samples)) for chunk in left] == [(c.start, len(c.samples)) for c in right]
        assert len(left) == 3

    def test_a_chunk_says_how_much_of_it_is_voice(self) -> None:
        (chunk,) = cut(speech((1, False), (1, True), (2.6, False), (0.4, True), (4, False)), 16000)
        assert chunk.voice_share == pytest.approx(1.4 / 4.4, abs=0.05)

    def test_a_chunk_with_voice_enough_needs_no_evidence(self) -> None:
        first, short, last = cut(sayings(7, 1, 20), 16000)
        assert len(first.evidence) == len(last.evidence) == 0
        assert levels(short.evidence) == {8000, 8001}, "and one with less has the voice before it"
        assert len(short.evidence) < 5 * 16000

    def test_the_first_short_chunks_are_judged_by_the_voice_of_all_of_them(self) -> None:
        cutter = ChunkCutter(LoudnessVad().probabilities, GatePolicy(), CutterPolicy())
        for short in (sayings(1), sayings(1), sayings(2)):
            assert cutter.feed(short) == []
        first = cutter.feed(sayings(1.5))
        assert [round(chunk.start / 16000) for chunk in first] == [0, 6, 12, 19]
        _, counts = np.unique(first[0].evidence, return_counts=True)
        assert counts[1] / 16000 == pytest.approx(5.5, abs=0.3), "the voice of all, hardly any silence"
        assert counts[0] / 16000 < 1.5
        assert len({chunk.evidence.tobytes() for chunk in first}) == 1
        (later,) = cutter.feed(sayings(1))
        assert 3 * 16000 < len(later.evidence) < 5 * 16000, "only the newest voice counts later"

    def test_of_little_voice_in_all_the_language_is_decided_at_the_end(self) -> None:
        chunks = cut(sayings(1, 1, 1), 16000)
        assert all(len(chunk.evidence) > 3 * 16000 for chunk in chunks)
        (only,) = cut(sayings(1), 16000)
        assert len(only.evidence) == 0

    def test_no_more_is_held_than_a_chunk_may_be_long(self) -> None:
        hardly = np.concatenate([sayings(0.2)[: 3 * 16000]] * 9)
        cutter = ChunkCutter(LoudnessVad().probabilities, GatePolicy(), CutterPolicy())
        assert cutter.feed(sayings(0.2)) == []
        assert cutter.feed(np.concatenate([hardly, sayings(0.2)]))[0].start == 0

    def test_a_given_language_holds_nothing(self) -> None:
        cutter = ChunkCutter(LoudnessVad().probabilities, GatePolicy(), CutterPolicy(), detects=False)
        chunks = cutter.feed(sayings(1, 1))
        assert [len(chunk.evidence) for chunk in chunks] == [0, 0]

    def test_silence_gives_nothing_and_is_forgotten(self) -> None:
        cutter = ChunkCutter(LoudnessVad().probabilities, GatePolicy(), CutterPolicy())
        for _ in range(600):
            assert cutter.feed(np.zeros(16000, np.int16)) == []
        assert cutter.finish() == []
        assert cutter.position - cutter.settled < 16000
