"""Agreement, guards, scheduler, buffer, gate, cutter, segments."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from stt_client.text import join_texts as client_join_texts
from stt_shared.contracts.text import join_texts
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_gate import GatePolicy, VadGate
from stt_transcriber.core.decoding import TimedWord
from stt_transcriber.core.files.cutter import ChunkCutter, CutChunk, CutterPolicy
from stt_transcriber.core.text.agreement import Agreement, PlacedWord
from stt_transcriber.core.text.join import new_part
from stt_transcriber.core.text.segments import segments_of

pytestmark = pytest.mark.unit


def placed(text: str, start_ms: int = 0, step_ms: int = 400) -> list[PlacedWord]:
    return [
        PlacedWord(word, start_ms + i * step_ms, start_ms + i * step_ms + step_ms - 100, 0.9)
        for i, word in enumerate(text.split())
    ]


class TestAgreement:
    def test_two_hypotheses_must_agree(self) -> None:
        agreement = Agreement(margin_ms=300)
        agreement.update(placed("the cat sat"), 1500)
        assert agreement.stable == []
        agreement.update(placed("The cat, sang a"), 2000)
        assert [word.text for word in agreement.stable] == ["The", "cat,"]
        assert [word.text for word in agreement.unstable] == ["sang", "a"]

    def test_a_word_at_the_edge_is_never_stable(self) -> None:
        agreement = Agreement(margin_ms=300)
        for _ in range(3):
            agreement.update(placed("the cat sat"), 800)
        assert [word.text for word in agreement.stable] == ["the"]

    def test_the_last_word_is_never_stable(self) -> None:
        agreement = Agreement(margin_ms=300)
        for _ in range(3):
            agreement.update(placed("much afraid."), 5000)
        agreement.update(placed("much afraid of him"), 5000)
        assert [word.text for word in [*agreement.stable, *agreement.unstable]] == ["much", "afraid", "of", "him"]

    def test_stable_words_stay_when_later_hypotheses_differ(self) -> None:
        agreement = Agreement(margin_ms=300)
        agreement.update(placed("one two three four"), 2500)
        agreement.update(placed("one two three four"), 2500)
        before = list(agreement.stable)
        agreement.update(placed("won too three four five"), 3000)
        assert agreement.stable[: len(before)] == before

    def test_words_that_come_again_at_the_head_of_a_trimmed_window_are_not_doubled(self) -> None:
        agreement = Agreement(margin_ms=300)
        agreement.update(placed("one two three more"), 5000)
        agreement.update(placed("one two three more"), 5000)
        assert len(agreement.stable) == 3
        # The window now begins within "three", whose time has wavered behind the edge.
        agreement.update([PlacedWord("Three", 1000, 1250, 0.9), *placed("four five", 1300)], 5000)
        assert [word.text for word in agreement.unstable] == ["four", "five"]

    def test_force_commits_when_hypotheses_never_agree(self) -> None:
        agreement = Agreement(margin_ms=300)
        agreement.update(placed("a b c d"), 1600)
        agreement.force(before_ms=800)
        assert [word.text for word in agreement.stable] == ["a", "b"]


class TestBuffer:
    def test_positions_are_those_of_the_session(self) -> None:
        buffer = RollingBuffer(start=1000)
        buffer.append(np.arange(500, dtype=np.int16))
        buffer.append(np.arange(500, 1000, dtype=np.int16))
        buffer.drop_before(1200)
        assert (buffer.start, buffer.end) == (1200, 2000)
        assert np.array_equal(np.round(buffer.as_float(1300, 1303) * 32768), [300, 301, 302])
        assert len(buffer.as_float(0, 1201)) == 1

    def test_memory_does_not_keep_the_longest_utterance(self) -> None:
        buffer = RollingBuffer()
        buffer.append(np.zeros(16000 * 60, np.int16))
        buffer.drop_before(16000 * 59)
        assert buffer._samples.nbytes <= 2 * 2 * 16000

    def test_quietest(self) -> None:
        buffer = RollingBuffer()
        audio = np.full(16000, 9000, np.int16)
        audio[8000:9600] = 10
        buffer.append(audio)
        assert abs(buffer.quietest(0, 16000, 1600) - 8800) <= 400


def test_gate_ignores_a_wavering_voice() -> None:
    gate = VadGate(GatePolicy())
    began = [gate.update(p) for p in (0.6, 0.2, 0.6, 0.7, 0.8, 0.4, 0.4, 0.1)]
    assert began == [False, False, False, False, True, False, False, False]
    assert gate.speech_start_window == 2
    assert gate.silence_ms == 32, "0.4 is not speech enough to begin, but enough to go on"


def loud_is_voice(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return (np.abs(samples.reshape(-1, 512)).max(axis=1) > 0.01).astype(np.float32)


def cut(audio: NDArray[np.int16], portion: int, policy: CutterPolicy | None = None) -> list[CutChunk]:
    cutter = ChunkCutter(loud_is_voice, GatePolicy(), policy or CutterPolicy())
    chunks = [chunk for at in range(0, len(audio), portion) for chunk in cutter.feed(audio[at : at + portion])]
    chunks += cutter.finish()
    return chunks + (cutter.finish() if cutter.holds_chunks else [])


def sayings(*lengths_s: float) -> NDArray[np.int16]:
    """Each of a loudness of its own, with five seconds of silence behind it."""
    parts = [np.full(round(length * 16000), 8000 + n, np.int16) for n, length in enumerate(lengths_s)]
    return np.concatenate([part for loud in parts for part in (loud, np.zeros(5 * 16000, np.int16))])


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

    def test_a_first_chunk_with_voice_enough_decides_the_language_by_itself(self) -> None:
        chunks = cut(sayings(7, 1, 20), 16000)
        assert [chunk.decides for chunk in chunks] == [True, False, False]
        assert not any(len(chunk.evidence) for chunk in chunks)

    def test_short_chunks_decide_the_language_together(self) -> None:
        cutter = ChunkCutter(loud_is_voice, GatePolicy(), CutterPolicy())
        for short in (sayings(1), sayings(1), sayings(2)):
            assert cutter.feed(short) == []
        (first,) = cutter.feed(sayings(1.5))
        assert first.decides
        assert first.start == 0
        levels, counts = np.unique(first.evidence, return_counts=True)
        assert levels.tolist() == [0, 8000]
        assert counts[1] / 16000 == pytest.approx(5.5, abs=0.3), "the voice of all, hardly any silence"
        assert counts[0] / 16000 < 1.5
        later = cutter.feed(sayings(1))
        assert [chunk.decides for chunk in later] == [False] * 4
        assert [round(chunk.start / 16000) for chunk in later] == [6, 12, 19, 25]

    def test_of_little_voice_in_all_the_language_is_decided_at_the_end(self) -> None:
        chunks = cut(sayings(1, 1, 1), 16000)
        assert [chunk.decides for chunk in chunks] == [True, False, False]
        assert len(chunks[0].evidence) > 3 * 16000
        assert [chunk.decides for chunk in cut(sayings(1), 16000)] == [True]

    def test_no_more_is_held_than_a_chunk_may_be_long(self) -> None:
        hardly = np.concatenate([sayings(0.2)[: 3 * 16000]] * 9)
        cutter = ChunkCutter(loud_is_voice, GatePolicy(), CutterPolicy())
        assert cutter.feed(sayings(0.2)) == []
        (first,) = cutter.feed(np.concatenate([hardly, sayings(0.2)]))
        assert first.decides
        assert first.start == 0

    def test_a_given_language_holds_nothing(self) -> None:
        cutter = ChunkCutter(loud_is_voice, GatePolicy(), CutterPolicy(), decided=True)
        assert [chunk.decides for chunk in cutter.feed(sayings(1, 1))] == [False, False]
        assert not cutter.holds_chunks

    def test_silence_gives_nothing_and_is_forgotten(self) -> None:
        cutter = ChunkCutter(loud_is_voice, GatePolicy(), CutterPolicy())
        for _ in range(600):
            assert cutter.feed(np.zeros(16000, np.int16)) == []
        assert cutter.finish() == []
        assert cutter.position - cutter.settled < 16000


def test_segments_end_at_sentences_and_pauses() -> None:
    words = [
        TimedWord("Ever", 0.0, 0.3, 0.9),
        TimedWord("tried.", 0.3, 0.8, 0.8),
        TimedWord("No", 1.0, 1.2, 0.9),
        TimedWord("matter", 1.2, 1.6, 0.9),
        TimedWord("again", 3.0, 3.4, 0.9),
    ]
    segments = segments_of(words, 10.0)
    assert [segment.text for segment in segments] == ["Ever tried.", "No matter", "again"]
    assert (segments[0].start, segments[0].end, segments[2].start) == (10.0, 10.8, 13.0)
    assert segments[0].confidence == 0.85


def test_segments_keep_the_spaces_of_the_text() -> None:
    said = [("我", False), ("用", False), ("machine", False), ("learning。", True), ("再", True), ("见", False)]
    words = [TimedWord(text, at, at + 1.0, 0.9, spaced) for at, (text, spaced) in enumerate(said)]
    assert [segment.text for segment in segments_of(words, 0.0)] == ["我用machine learning。", "再见"]


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ("the cat", "the cat sat down", "sat down"),
        ("the bat", "the cat sat", "cat sat"),
        ("", "the", "the"),
        ("the", "the", ""),
    ],
)
def test_new_part_begins_behind_the_common_words(before: str, after: str, new: str) -> None:
    def words(text: str) -> list[TimedWord]:
        return [TimedWord(word, 0.0, 1.0, 0.9) for word in text.split()]

    assert new_part(words(before), words(after)) == new


@pytest.mark.parametrize("join", [join_texts, client_join_texts])
def test_texts_are_joined_as_their_script_asks(join: Callable[[list[str]], str]) -> None:
    assert join(["Ever tried.", "", "Ever failed."]) == "Ever tried. Ever failed."
    assert join(["今天下雨。", "我们用machine", "learning做"]) == "今天下雨。我们用machine learning做"
    assert join(["안녕하세요.", "세계"]) == "안녕하세요. 세계"
    assert join(["สวัสดีครับ", "วันนี้"]) == "สวัสดีครับ วันนี้"
    assert join([]) == ""
