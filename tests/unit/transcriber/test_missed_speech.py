"""Speech that a text leaves out is decoded again: after the last word, between two, before the first."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from support.fake_vad import LoudnessVad
from support.live_driver import Driver, heard

from stt_shared.contracts.events import Final, Gap, Partial, SpeechEnded, SpeechStarted
from stt_shared.contracts.frames import FrameKind
from stt_shared.contracts.session import Task
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_track import VadTrack
from stt_transcriber.core.decoding import Quality
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.core.text.agreement import PlacedWord
from stt_transcriber.core.text.missed_speech import Accepted, Retry, Speech

pytestmark = pytest.mark.unit

Part = tuple[float, bool]


def recording(*parts: Part) -> tuple[RollingBuffer, VadTrack]:
    """Loud and quiet stretches, and the windows that hold voice."""
    audio = np.concatenate([np.full(round(s * 16000), 5000 if loud else 0, np.int16) for s, loud in parts])
    buffer, track = RollingBuffer(), VadTrack(0, 0.5)
    buffer.append(audio)
    for probability in LoudnessVad().probabilities(_whole(audio)):
        track.append(float(probability))
    return buffer, track


def _whole(audio: NDArray[np.int16]) -> NDArray[np.float32]:
    return audio[: len(audio) // 512 * 512].astype(np.float32) / 32768.0


def placed(*spans_s: tuple[float, float]) -> list[PlacedWord]:
    return [PlacedWord("w", round(start * 1000), round(end * 1000), 0.9) for start, end in spans_s]


def part_of(
    *spans_s: tuple[float, float], parts: tuple[Part, ...], task: Task = Task.TRANSCRIBE, shortened: bool = False
) -> tuple[int, float]:
    buffer, track = recording(*parts)
    part = Speech(buffer, track, 0, buffer.end).settle(placed(*spans_s), task, shortened=shortened)
    return (0, part.end / 16000) if isinstance(part, Retry) else (part.count, part.until / 16000)


def test_a_text_that_reaches_the_end_of_the_speech_is_all_of_it() -> None:
    parts = ((3.0, True), (2.0, False))
    assert part_of((0.1, 1.5), (1.5, 3.0), parts=parts) == (2, 5.0)
    assert part_of((0.1, 1.5), (1.5, 2.3), parts=parts) == (2, 5.0), "word times waver"
    assert part_of((0.6, 1.5), (2.1, 3.0), parts=parts) == (2, 5.0), "at the beginning and between words too"


def test_speech_behind_the_last_word_is_cut_off_in_the_pause_behind_it() -> None:
    count, until = part_of((0.1, 0.5), (0.5, 0.9), parts=((1.0, True), (0.2, False), (3.0, True), (0.5, False)))
    assert count == 2
    assert 1.0 < until < 1.2


def test_without_a_pause_the_cut_is_close_behind_the_word() -> None:
    count, until = part_of((0.1, 0.9), parts=((5.0, True),))
    assert count == 1
    assert 0.9 < until < 1.4


def test_silence_is_not_missed_however_long() -> None:
    assert part_of((0.1, 0.9), parts=((1.0, True), (10.0, False), (0.5, True))) == (1, 11.5)


def test_speech_between_two_words_counts_as_well() -> None:
    parts = ((1.0, True), (0.2, False), (3.0, True), (0.2, False), (1.0, True))
    count, until = part_of((0.1, 0.9), (4.5, 5.3), parts=parts)
    assert count == 1
    assert 1.0 < until < 1.2


def test_before_the_first_word_it_is_a_window_of_its_own() -> None:
    count, until = part_of((4.0, 4.9), parts=((3.7, True), (0.2, False), (1.0, True)))
    assert count == 0
    assert 3.7 < until < 3.9
    assert part_of((4.0, 4.9), parts=((3.7, True), (0.2, False), (1.0, True)), shortened=True) == (1, 4.9), "once"


def test_times_of_a_translation_tell_nothing() -> None:
    assert part_of((0.1, 0.9), parts=((5.0, True),), task=Task.TRANSLATE) == (1, 5.0)


def test_words_without_times_of_their_own_are_not_said_twice() -> None:
    crowd = [(0.5, 0.52)] * 12
    assert part_of((0.1, 0.5), *crowd, parts=((5.0, True),)) == (13, 5.0)


def test_crowded_times_hide_no_more_speech_than_so_many_words_take() -> None:
    crowd = [(2.2, 2.22)] * 12
    count, until = part_of((0.1, 1.0), (1.0, 2.0), *crowd, parts=((12.0, True),))
    assert (count, round(until)) == (2, 2), "from the crowd on it is decoded again"
    count, until = part_of(*crowd, parts=((12.0, True),))
    assert count == 0
    assert 3.6 <= until <= 7.2
    count, until = part_of((4.9, 5.3), *[(8.0, 8.02)] * 12, (10.5, 11.0), parts=((12.0, True),))
    assert count == 0, "the speech before the first word is missing, whatever crowds later"
    assert 4.4 <= until <= 4.9


def test_a_word_does_not_explain_seconds_of_speech() -> None:
    assert part_of((0.1, 2.0), (2.0, 2.4), parts=((2.4, True),)) == (2, 2.4), "a long word"
    assert part_of((0.1, 4.0), (4.0, 4.4), parts=((1.0, True), (3.0, False), (0.4, True))) == (2, 4.4), "a pause"
    count, until = part_of((0.1, 0.6), (0.6, 1.0), (1.0, 7.6), (7.6, 8.0), parts=((8.0, True),))
    assert (count, until) == (2, pytest.approx(1.0, abs=0.25)), (
        "it may stand at either end: decoded again from its beginning on"
    )
    count, until = part_of((0.2, 24.3), (24.3, 24.6), parts=((27.0, True),))
    assert count == 0
    assert 0.3 * 27 <= until <= 0.6 * 27


def test_a_refused_text_is_decoded_again_up_to_a_pause() -> None:
    """A word, a pause, a sentence: one text for both was not to be believed."""
    count, until = part_of(parts=((0.4, True), (2.5, False), (5.0, True)))
    assert count == 0
    assert 0.5 < until < 1.0, "the silence is not decoded with the word"
    buffer, track = recording((0.4, True), (2.5, False), (5.0, True))
    rest = Speech(buffer, track, 0, round(until * 16000)).rest(buffer.end)
    assert rest / 16000 == pytest.approx(1.9, abs=0.05), "nor all of it with the sentence"


def test_a_refused_text_without_a_pause_is_decoded_again_in_shorter_parts() -> None:
    count, until = part_of(parts=((28.0, True),))
    assert count == 0
    assert 0.3 * 28 <= until <= 0.6 * 28


@pytest.mark.parametrize(
    "parts",
    [((3.0, True),), ((0.3, True), (1.0, False), (0.3, True)), ((9.0, False),), ((0.1, True), (5.0, False))],
)
def test_what_is_too_short_to_be_cut_is_given_up(parts: tuple[Part, ...]) -> None:
    assert part_of(parts=parts) == (0, pytest.approx(sum(seconds for seconds, _ in parts)))


def test_a_refused_text_of_scattered_sounds_is_not_tried_again() -> None:
    """Notes of music: in short parts, more would be invented."""
    notes = ((0.3, True), (0.2, False)) * 6 + ((1.5, False),) + ((0.3, True), (0.2, False)) * 6
    assert part_of(parts=notes) == (0, pytest.approx(7.5))
    words = ((0.45, True), (0.05, False)) * 6
    assert part_of(parts=(*words, (1.5, False), *words))[1] < 4


def test_speech_that_has_no_text_in_the_end_is_told() -> None:
    def unexplained(*spans_s: tuple[float, float], parts: tuple[Part, ...]) -> list[tuple[float, float]]:
        buffer, track = recording(*parts)
        part = Speech(buffer, track, 0, buffer.end).settle(placed(*spans_s), Task.TRANSCRIBE, shortened=True)
        assert isinstance(part, Accepted)
        return [(round(begin / 16000, 1), round(end / 16000, 1)) for begin, end in part.unrecognized]

    assert unexplained(parts=((1.0, False), (3.0, True), (0.5, False))) == [(1.0, 4.0)]
    assert unexplained(parts=((1.0, False), (0.6, True), (0.5, False))) == [], "a cough"
    assert unexplained((2.5, 3.0), parts=((3.0, True),)) == [(0.0, 2.5)]
    assert unexplained((0.1, 3.9), parts=((4.0, True),)) == [(1.3, 4.0)], "of a word that seems to last for seconds"
    assert unexplained((0.1, 0.6), (0.6, 1.2), parts=((1.3, True),)) == []


def test_a_text_that_met_the_token_limit_is_good_up_to_its_last_word() -> None:
    words = [(i / 2, i / 2 + 0.5) for i in range(10)]
    buffer, track = recording((5.0, True))
    part = Speech(buffer, track, 0, buffer.end).settle(placed(*words), Task.TRANSCRIBE, truncated=True)
    assert isinstance(part, Accepted)
    assert (part.count, part.unrecognized) == (9, ())
    assert part.until / 16000 == pytest.approx(4.5, abs=0.25)


@pytest.mark.parametrize("task", list(Task))
def test_a_text_that_repeats_itself_is_decoded_again_in_parts(task: Task) -> None:
    """It may cover other speech. What is too short to be cut has its text, since people repeat themselves too."""

    def settled(seconds: float) -> Accepted | Retry:
        buffer, track = recording((seconds, True))
        words = placed(*[(i / 2, i / 2 + 0.5) for i in range(round(seconds * 2))])
        speech = Speech(buffer, track, 0, buffer.end)
        assert speech.settle(words, task) == Accepted(len(words), buffer.end)
        return speech.settle(words, task, loops=True)

    part = settled(12.0)
    assert isinstance(part, Retry)
    assert 0.3 * 12 <= part.end / 16000 <= 0.6 * 12
    assert settled(4.0) == Accepted(8, 4 * 16000)


def test_a_model_that_repeats_itself_comes_to_an_end_too() -> None:
    driver = Driver(interim_results=False)
    driver.audio(26, loud=True)
    driver.control(FrameKind.STOP)
    decodes = 0
    while ticket := driver.session.begin():
        half_seconds = len(ticket.request.samples) // 8000
        driver.apply(heard(*[("no", i / 2, i / 2 + 0.5) for i in range(half_seconds)]))
        decodes += 1
    assert driver.session.finished
    assert decodes <= 20
    assert not driver.events(Gap)
    words = [word for final in driver.events(Final) for word in final.words]
    assert len(words) == pytest.approx(52, abs=8)


@pytest.mark.parametrize("pause_s", [0.0, 0.04, 0.35, 0.7])
@pytest.mark.parametrize("said", [0, 1])
def test_any_speech_comes_to_an_end_in_few_decodes(pause_s: float, said: int) -> None:
    """The model says nothing, or one word that lasts forever."""
    driver = Driver(interim_results=False, endpointing_ms=1000)
    driver.session.speculates = False
    while driver.position < 27 * 16000:
        driver.audio(1.2, loud=True)
        driver.audio(pause_s, loud=False)
    driver.control(FrameKind.STOP)
    decodes, ranges = 0, [(0, 0)]
    while ticket := driver.session.begin():
        length_s = len(ticket.request.samples) / 16000
        ranges.append((ticket.begin, ticket.end))
        driver.apply(heard(*[("well", 0.0, length_s)] * said))
        decodes += 1
    assert driver.session.finished
    assert decodes <= 50
    reported = [(gap.from_ms, gap.to_ms) for gap in driver.events(Gap)]
    assert all(begin < end for begin, end in reported)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(reported))
    if not said:
        assert sum(end - begin for begin, end in reported) >= 0.95 * 27_000 * 1.2 / (1.2 + pause_s)


def test_a_part_of_a_window_at_the_end_does_not_count() -> None:
    """More may have been heard of it by the time of one decode than by that of another."""
    buffer, track = recording((3.0, True))
    aligned = -(-16000 // 512) * 512 + 25 * 512
    for end, cut in ((aligned, True), (aligned - 1, False)):
        part = Speech(buffer, track, 0, end).settle(placed((0.1, 1.0)), Task.TRANSCRIBE)
        assert isinstance(part, Accepted)
        assert (part.until < end) is cut


def spoken(driver: Driver) -> None:
    """Two seconds, a short pause, two seconds more; nothing is shown."""
    for seconds, loud in ((1.9, True), (0.3, False), (1.9, True)):
        driver.audio(seconds, loud)


def test_the_rest_has_a_final_of_its_own_before_anything_else() -> None:
    driver = Driver(LivePolicy(acoustic_context_ms=0), interim_results=False)
    driver.session.speculates = False
    spoken(driver)
    driver.control(FrameKind.FINALIZE)
    driver.audio(1, loud=True)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("one", 0.1, 1.8)))
    assert not driver.session.finished
    ticket = driver.session.begin()
    assert ticket is not None
    assert (ticket.kind, ticket.request.quality, ticket.request.prompt) == (Kind.FINAL, Quality.FULL, "one")
    assert 1.9 < ticket.begin / 16000 < 2.2
    assert ticket.end == round(4.1 * 16000)
    driver.apply(heard(("two", 0.3, 2.0)))
    driver.decode(heard(("three", 0.1, 0.9)))
    finals = driver.events(Final)
    assert [(final.utterance, final.text) for final in finals] == [(1, "one"), (2, "two"), (3, "three")]
    assert [final.committed_ms for final in finals] == [ticket.begin // 16, 4100, 5100]
    assert len(driver.events(SpeechStarted)) == len(driver.events(SpeechEnded)) == 2, "of the voice, not of the text"
    assert driver.session.finished


def test_a_rest_in_which_nothing_is_heard_ends_quietly() -> None:
    driver = Driver()
    spoken(driver)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("one", 0.1, 1.8)))
    shown = len(driver.events(Partial))
    driver.decode(heard())
    assert [final.text for final in driver.events(Final)] == ["one"]
    assert len(driver.events(Partial)) == shown
    assert driver.session.finished
    assert driver.outcomes[-1].advance is not None
    assert driver.outcomes[-1].advance.samples == round(4.1 * 16000)


def test_a_final_that_was_decoded_early_leaves_a_rest_too() -> None:
    driver = Driver(interim_results=False)
    spoken(driver)
    driver.audio(0.3, loud=False)
    driver.decode(heard(("one", 0.1, 1.8)))
    assert driver.session.due_decode() is None
    driver.audio(0.5, loud=False)
    assert [final.text for final in driver.events(Final)] == ["one"]
    assert driver.session.due_decode() is Kind.FINAL
    driver.decode(heard(("two", 0.3, 2.0)))
    assert [final.text for final in driver.events(Final)] == ["one", "two"]


def test_words_behind_a_gap_are_decoded_once_more_and_said_once() -> None:
    driver = Driver(interim_results=False)
    driver.session.speculates = False
    spoken(driver)
    driver.audio(0.3, loud=False)
    driver.audio(1, loud=True)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("one", 0.1, 1.8), ("three", 4.5, 5.3)))
    driver.decode(heard(("two", 0.3, 2.0), ("three", 2.4, 3.3)))
    assert [final.text for final in driver.events(Final)] == ["one", "two three"]
    assert driver.session.finished


def test_what_a_text_does_not_begin_with_is_decoded_alone_first() -> None:
    driver = Driver(interim_results=False)
    driver.session.speculates = False
    spoken(driver)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("two", 2.3, 4.0), language="cy", language_probability=0.9))
    assert not driver.events(Final)
    first = driver.session.begin()
    assert first is not None
    assert first.begin == 0
    assert 1.9 < first.end / 16000 < 2.2
    assert first.request.language is None, "it settled nothing, not even the language"
    driver.apply(heard(("one", 0.1, 1.8)))
    second = driver.session.begin()
    assert second is not None
    assert (second.begin, second.end) == (first.end, round(4.1 * 16000))
    driver.apply(heard(("two", 0.3, 2.0)))
    assert [final.text for final in driver.events(Final)] == ["one", "two"]
    assert driver.session.finished


def test_a_model_that_says_a_word_at_a_time_comes_to_an_end() -> None:
    driver = Driver(interim_results=False)
    driver.session.speculates = False
    driver.audio(20, loud=True)
    driver.control(FrameKind.STOP)
    ranges = []
    while ticket := driver.session.begin():
        ranges.append((ticket.begin, ticket.end))
        driver.apply(heard(("well", 0.0, 0.01)))
    assert driver.session.finished
    assert all(later > earlier for (earlier, _), (later, _) in pairwise(ranges))
    assert len(ranges) <= 40


def test_a_model_that_says_only_the_last_word_comes_to_an_end() -> None:
    driver = Driver(interim_results=False)
    driver.session.speculates = False
    driver.audio(20, loud=True)
    driver.control(FrameKind.STOP)
    decodes = 0
    while ticket := driver.session.begin():
        length_s = len(ticket.request.samples) / 16000
        driver.apply(heard(("well", max(0.0, length_s - 0.3), length_s)))
        decodes += 1
    assert driver.session.finished
    assert decodes <= 20
