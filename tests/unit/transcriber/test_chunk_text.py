"""A chunk of a file is decoded until nothing that was spoken in it is left out."""

from collections.abc import Callable

import numpy as np
import pytest
from support.fake_vad import LoudnessVad
from support.live_driver import heard, steadily

from stt_shared.contracts.jobs import Chunk
from stt_shared.contracts.session import Task
from stt_transcriber.core.audio.vad_gate import GatePolicy
from stt_transcriber.core.decoding import Hypothesis
from stt_transcriber.core.files.chunk_text import ChunkText
from stt_transcriber.core.files.cutter import ChunkCutter, CutterPolicy

pytestmark = pytest.mark.unit

RATE = 16000
START_S = 2.0


def chunk_of(*parts: tuple[float, bool], tell: bool = True, prompt: str = "") -> ChunkText:
    """As the cutter makes it of loud and quiet stretches after two seconds of silence."""
    audio = np.concatenate(
        [np.zeros(round(START_S * RATE)), *(np.full(round(s * RATE), 8000 if loud else 0) for s, loud in parts)]
    ).astype(np.int16)
    cutter = ChunkCutter(LoudnessVad().probabilities, GatePolicy(), CutterPolicy())
    (cut,) = cutter.feed(audio) + cutter.finish()
    voiced = cut.voiced if tell else b""
    chunk = Chunk("j", "e", 0, cut.start, len(cut.samples), cut.voice_share, voiced)
    return ChunkText(chunk, cut.samples, Task.TRANSCRIBE, prompt)


def said(text: ChunkText, *answers: Hypothesis | None) -> list[tuple[str, float]]:
    """Words and their places in the speech, in seconds."""
    words = []
    for answer in answers:
        assert not text.is_over
        begin_s = text.begin / RATE - START_S
        words += [(word.text, begin_s + word.start_s) for word in text.take(answer)]
    return words


TWO_SENTENCES = ((1.8, True), (0.5, False), (1.8, True))


def test_a_text_that_reaches_the_end_is_decoded_once() -> None:
    text = chunk_of(*TWO_SENTENCES)
    whole_s = len(text.samples()) / RATE
    assert whole_s == pytest.approx(4.3, abs=0.1)
    assert said(text, heard(("one", 0.2, 1.9), ("two", 2.6, 4.3)))
    assert text.is_over


def test_what_a_text_leaves_out_is_decoded_next() -> None:
    text = chunk_of(*TWO_SENTENCES)
    assert [word for word, _ in said(text, heard(("one", 0.2, 1.9)))] == ["one"]
    assert len(text.samples()) / RATE == pytest.approx(2.2, abs=0.3)
    assert text.voice_share == pytest.approx(1.8 / (len(text.samples()) / RATE), abs=0.05)
    ((_, at_s),) = said(text, heard(("two", 0.3, 1.9)))
    assert at_s == pytest.approx(2.3, abs=0.3)
    assert text.is_over


def test_what_it_begins_with_is_decoded_alone_and_then_the_rest() -> None:
    text = chunk_of(*TWO_SENTENCES)
    assert not said(text, heard(("two", 2.6, 4.3)))
    assert len(text.samples()) / RATE == pytest.approx(2.2, abs=0.3)
    assert [word for word, _ in said(text, heard(("one", 0.2, 1.9)), heard(("two", 0.3, 1.9)))] == ["one", "two"]
    assert text.is_over


@pytest.mark.parametrize("answer", [lambda: None, heard])
def test_a_part_in_which_nothing_is_believed_is_passed_over(answer: Callable[[], Hypothesis | None]) -> None:
    text = chunk_of(*TWO_SENTENCES)
    assert said(text, heard(("one", 0.2, 1.9)), answer()) != []
    assert text.is_over


def test_what_is_refused_is_decoded_once_more_without_the_prompt() -> None:
    text = chunk_of(*TWO_SENTENCES, prompt="names")
    whole = len(text.samples())
    assert text.prompt == "names"
    assert not said(text, None)
    assert (text.prompt, len(text.samples())) == ("", whole)
    assert [word for word, _ in said(text, heard(("one", 0.2, 1.9)))] == ["one"]
    assert text.prompt == "names", "of what comes next"
    assert not said(text, None, None)
    assert text.is_over
    ((begin, end),) = text.unrecognized
    assert (end - begin) / RATE == pytest.approx(1.8, abs=0.1)


def test_a_replica_that_tells_no_voice_is_not_asked_again() -> None:
    text = chunk_of(*TWO_SENTENCES, tell=False)
    assert said(text, heard(("one", 0.2, 1.9)))
    assert text.is_over


def test_stretches_between_pauses_have_enough_voice_to_tell_their_language() -> None:
    text = chunk_of((3, True), (0.3, False), (1, True), (1.5, False), (0.8, True), (0.7, False), (4, True))
    first, second = [(begin / RATE, end / RATE) for begin, end in text.stretches()]
    assert first == pytest.approx((0.2, 4.5), abs=0.15), "a short pause divides nothing"
    assert second == pytest.approx((6.0, 11.5), abs=0.15), "a word belongs to its nearer neighbour"
    assert chunk_of((3, True), (1, False), (0.8, True)).stretches() == ()
    assert chunk_of((3, True), (1, False), (3, True), tell=False).stretches() == ()


def test_what_follows_a_change_of_language_is_decoded_next() -> None:
    text = chunk_of((3, True), (1, False), (3, True))
    (_, end), (begin, _) = text.stretches()
    text.shorten((end + begin) // 2)
    assert len(text.samples()) / RATE == pytest.approx(3.7, abs=0.2)
    assert len(said(text, heard(*steadily(3, "one")))) == 6
    assert len(text.samples()) / RATE == pytest.approx(3.7, abs=0.3)
    assert min(place for _, place in said(text, heard(*steadily(3.5, "deux")))) > 3
    assert text.is_over
