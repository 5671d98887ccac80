"""Speech that a text leaves out is decoded again: behind the last word, between two, before the first."""

from itertools import pairwise

import numpy as np
import pytest
from live_driver import Driver, heard
from loud_is_voice import LoudIsVoice
from numpy.typing import NDArray

from stt_shared.contracts.events import Final, Partial, SpeechEnded, SpeechStarted
from stt_shared.contracts.frames import FrameKind
from stt_shared.contracts.session import Task
from stt_transcriber.core.agreement import PlacedWord
from stt_transcriber.core.buffer import RollingBuffer
from stt_transcriber.core.hypothesis import Quality
from stt_transcriber.core.scheduler import Kind
from stt_transcriber.core.unheard import heard_to
from stt_transcriber.core.voice_track import VoiceTrack

pytestmark = pytest.mark.unit

Part = tuple[float, bool]


def recording(*parts: Part) -> tuple[RollingBuffer, VoiceTrack]:
    """Loud and quiet stretches, and the windows that hold voice."""
    audio = np.concatenate([np.full(round(s * 16000), 5000 if loud else 0, np.int16) for s, loud in parts])
    buffer, track = RollingBuffer(), VoiceTrack(0, 0.5)
    buffer.append(audio)
    for probability in LoudIsVoice().probabilities(_whole(audio)):
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
    count, until = heard_to(placed(*spans_s), buffer, track, 0, buffer.end, task, shortened=shortened)
    return count, until / 16000


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


def test_a_part_of_a_window_at_the_end_does_not_count() -> None:
    """More may have been heard of it by the time of one decode than by that of another."""
    buffer, track = recording((3.0, True))
    aligned = -(-16000 // 512) * 512 + 25 * 512
    for end, cut in ((aligned, True), (aligned - 1, False)):
        _, until = heard_to(placed((0.1, 1.0)), buffer, track, 0, end, Task.TRANSCRIBE, shortened=False)
        assert (until < end) is cut


def spoken(driver: Driver) -> None:
    """Three seconds, a short pause, three seconds more; nothing is shown."""
    for seconds, loud in ((3.0, True), (0.3, False), (3.0, True)):
        driver.audio(seconds, loud)


def test_the_rest_has_a_final_of_its_own_before_anything_else() -> None:
    driver = Driver(interim_results=False)
    driver.session.speculates = False
    spoken(driver)
    driver.control(FrameKind.FINALIZE)
    driver.audio(1, loud=True)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("one", 0.1, 2.9)))
    assert not driver.session.finished
    ticket = driver.session.begin()
    assert ticket is not None
    assert (ticket.kind, ticket.request.quality, ticket.request.prompt) == (Kind.FINAL, Quality.FULL, "one")
    assert 3.0 < ticket.begin / 16000 < 3.3
    assert ticket.end == round(6.3 * 16000)
    driver._take(driver.session.apply(ticket, heard(("two", 0.3, 3.1)), 0))
    driver.decode(heard(("three", 0.1, 0.9)))
    finals = driver.events(Final)
    assert [(final.utterance, final.text) for final in finals] == [(1, "one"), (2, "two"), (3, "three")]
    assert [final.committed_ms for final in finals] == [ticket.begin // 16, 6300, 7300]
    assert len(driver.events(SpeechStarted)) == len(driver.events(SpeechEnded)) == 2, "of the voice, not of the text"
    assert driver.session.finished


def test_a_rest_in_which_nothing_is_heard_ends_quietly() -> None:
    driver = Driver()
    spoken(driver)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("one", 0.1, 2.9)))
    shown = len(driver.events(Partial))
    driver.decode(heard())
    assert [final.text for final in driver.events(Final)] == ["one"]
    assert len(driver.events(Partial)) == shown
    assert driver.session.finished
    assert driver.outcomes[-1].advance is not None
    assert driver.outcomes[-1].advance.samples == round(6.3 * 16000)


def test_a_final_that_was_decoded_early_leaves_a_rest_too() -> None:
    driver = Driver(interim_results=False)
    spoken(driver)
    driver.audio(0.3, loud=False)
    driver.decode(heard(("one", 0.1, 2.9)))
    assert driver.session.wish() is None
    driver.audio(0.5, loud=False)
    assert [final.text for final in driver.events(Final)] == ["one"]
    assert driver.session.wish() is Kind.FINAL
    driver.decode(heard(("two", 0.3, 3.1)))
    assert [final.text for final in driver.events(Final)] == ["one", "two"]


def test_words_behind_a_gap_are_decoded_once_more_and_said_once() -> None:
    driver = Driver(interim_results=False)
    driver.session.speculates = False
    spoken(driver)
    driver.audio(0.3, loud=False)
    driver.audio(1, loud=True)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("one", 0.1, 2.9), ("three", 6.7, 7.5)))
    driver.decode(heard(("two", 0.3, 3.1), ("three", 3.5, 4.4)))
    assert [final.text for final in driver.events(Final)] == ["one", "two three"]
    assert driver.session.finished


def test_what_a_text_does_not_begin_with_is_decoded_alone_first() -> None:
    driver = Driver(interim_results=False)
    driver.session.speculates = False
    spoken(driver)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("two", 3.4, 6.2), language="cy", language_probability=0.9))
    assert not driver.events(Final)
    first = driver.session.begin()
    assert first is not None
    assert first.begin == 0
    assert 3.0 < first.end / 16000 < 3.3
    assert first.request.language is None, "it settled nothing, not even the language"
    driver._take(driver.session.apply(first, heard(("one", 0.1, 2.9)), 0))
    second = driver.session.begin()
    assert second is not None
    assert (second.begin, second.end) == (first.end, round(6.3 * 16000))
    driver._take(driver.session.apply(second, heard(("two", 0.3, 3.1)), 0))
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
        driver._take(driver.session.apply(ticket, heard(("well", 0.0, 0.01)), 0))
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
        driver._take(driver.session.apply(ticket, heard(("well", max(0.0, length_s - 0.3), length_s)), 0))
        decodes += 1
    assert driver.session.finished
    assert decodes == 3
