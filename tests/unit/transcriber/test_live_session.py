"""The pure live session: what it asks to be decoded, what it says, and that it says it in order."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from support.heard_languages import Heard
from support.live_driver import Driver, heard

from stt_shared.contracts.events import Final, Finalized, Partial, SpeechEnded, SpeechStarted
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import TakeoverState
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Quality, TimedWord
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.core.text.join import join_words
from stt_transcriber.engines.spoken_language import detect

pytestmark = pytest.mark.unit


def test_silence_asks_for_nothing_and_moves_the_committed_position() -> None:
    driver = Driver()
    driver.audio(5, loud=False)
    assert driver.session.due_decode() is None
    assert not driver.events(SpeechStarted)
    advances = [outcome.advance for outcome in driver.outcomes if outcome.advance]
    assert advances
    assert 3.0 < advances[-1].samples / 16000 < 5.0
    frames_before = advances[-1].samples // 1600
    assert frames_before - 12 <= advances[-1].seq <= frames_before, "frames of about a second more are kept"


def test_speech_gets_partials_and_a_pause_gives_the_final() -> None:
    driver = Driver()
    driver.audio(1, loud=False)
    driver.audio(1, loud=True)
    assert driver.session.due_decode() is Kind.FIRST
    driver.decode(heard(("hello", 0.3, 0.7)))
    driver.audio(1, loud=True)
    assert driver.session.due_decode() is Kind.PARTIAL
    driver.decode(heard(("hello", 0.3, 0.7), ("world", 0.9, 1.4)))
    driver.audio(0.3, loud=False)
    assert driver.session.due_decode() is Kind.FINAL, "the pause may be the end: the final is decoded ahead"
    driver.decode(heard(("hello", 0.3, 0.7), ("world", 0.9, 1.5)))
    assert not driver.events(Final), "but it is not said before the pause is long enough"
    driver.audio(0.3, loud=False)
    (final,) = driver.events(Final)
    assert final.text == "hello world"
    assert final.utterance == 1
    first, second, *_ = driver.events(Partial)
    assert (first.text, first.stable, first.unstable) == ("hello", "", "hello")
    assert (second.stable, second.unstable, second.new_text) == ("hello", "world", "world")
    assert len(driver.events(SpeechStarted)) == len(driver.events(SpeechEnded)) == 1
    # Onset at 1.0 s, less 300 ms of pre-roll: word times are places in the session.
    assert final.words[0].start_ms == 700 - 8 + 300 or abs(final.words[0].start_ms - 1000) <= 32


def test_chinese_keeps_the_spaces_of_its_foreign_words() -> None:
    def said(count: int) -> Hypothesis:
        parts = [("我", False), ("用", False), ("machine", False), ("learning", True), ("做", False)][:count]
        words = tuple(TimedWord(text, n * 0.45, n * 0.45 + 0.4, 0.9, spaced) for n, (text, spaced) in enumerate(parts))
        return replace(heard(), text=join_words(words), words=words, language="zh")

    driver = Driver()
    driver.audio(1.5, loud=True)
    driver.decode(said(4))
    driver.audio(0.5, loud=True)
    driver.decode(said(5))
    driver.audio(0.7, loud=False)
    driver.decode(said(5))
    driver.audio(0.5, loud=True)
    driver.audio(0.7, loud=False)
    driver.decode(said(2))
    first, second, *_ = driver.events(Partial)
    assert first.text == first.new_text == "我用machine learning"
    assert (second.text, second.stable, second.unstable) == ("我用machine learning做", "我用machine", "learning做")
    assert second.new_text == "做"
    final, other = driver.events(Final)
    assert final.text == "我用machine learning做"
    assert [word.word for word in final.words] == ["我", "用", "machine", "learning", "做"]
    assert driver.session.done({}).text == final.text + other.text == "我用machine learning做我用"


def test_a_speculative_final_is_dropped_when_speech_goes_on() -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    driver.decode(heard(("one", 0.1, 0.5)))
    driver.audio(1, loud=True)
    driver.audio(0.7, loud=False)
    assert not driver.events(Final)
    assert driver.session.due_decode() is Kind.FINAL
    driver.decode(heard(("one", 0.1, 0.5), ("two", 1.5, 1.9)))
    assert [final.text for final in driver.events(Final)] == ["one two"]


@pytest.mark.parametrize("kind", [FrameKind.FINALIZE, FrameKind.IDLE, FrameKind.STOP])
def test_the_last_words_come_without_any_silence(kind: FrameKind) -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    driver.control(kind)
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.request.quality is Quality.FULL
    assert len(ticket.request.samples) == 16000
    driver.apply(heard(("end", 0.5, 0.99)))
    assert [final.text for final in driver.events(Final)] == ["end"]
    assert driver.session.finished is (kind is FrameKind.STOP)


def test_the_range_of_a_final_does_not_depend_on_when_it_is_decoded() -> None:
    ranges = []
    for early in (True, False):
        driver = Driver()
        driver.audio(1, loud=True)
        driver.audio(0.3, loud=False)
        if early:
            ticket = driver.session.begin()
        else:
            driver.audio(2, loud=False)
            ticket = driver.session.begin()
        assert ticket is not None
        ranges.append((ticket.begin, ticket.end))
    assert ranges[0] == ranges[1]


def test_a_click_is_no_utterance() -> None:
    driver = Driver()
    driver.audio(1, loud=False)
    driver.audio(0.1, loud=True)
    driver.audio(1, loud=False)
    assert driver.session.due_decode() is None
    assert not driver.events(Final)


def test_commits_lie_on_exact_milliseconds() -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    driver.seq += 1
    odd = np.full(1003, 5000, np.int16).tobytes()
    driver.feed(Frame(driver.seq, FrameKind.AUDIO, odd, FrameMeta(1.0, driver.position)))
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(("a", 0, 1)))
    advance = driver.outcomes[-1].advance
    assert advance is not None
    assert advance.samples == 16992 == 17003 // 16 * 16


def test_nothing_said_and_nothing_shown_makes_no_final_but_is_committed() -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    driver.control(FrameKind.STOP)
    driver.decode(heard())
    assert not driver.events(Final)
    assert driver.session.finished
    assert driver.outcomes[-1].advance is not None
    assert driver.outcomes[-1].advance.samples == 16000


def test_a_broken_model_still_ends_the_utterance() -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    driver.decode(heard(("shown", 0.1, 0.4)))
    driver.control(FrameKind.STOP)
    ticket = driver.session.begin()
    assert ticket is not None
    driver.fail()
    assert driver.session.finished


def test_without_interim_results_there_are_only_finals() -> None:
    driver = Driver(interim_results=False)
    driver.audio(2, loud=True)
    assert driver.session.due_decode() is None
    driver.audio(0.6, loud=False)
    assert driver.session.due_decode() is Kind.FINAL
    driver.decode(heard(("x", 0, 1)))
    assert not driver.events(Partial)
    assert len(driver.events(Final)) == 1


def say(driver: Driver, seconds: float, sound: dict[str, float] | None = None) -> DecodeRequest:
    """An utterance whose language sounds like this, and the request."""
    driver.audio(seconds, loud=True)
    driver.control(FrameKind.FINALIZE)
    ticket = driver.session.begin()
    assert ticket is not None
    words = tuple((f"word{at:.0f}", at, min(at + 0.8, seconds - 0.1)) for at in np.arange(0.1, seconds - 0.2, 0.9))
    found = detect(ticket.request, Heard(sound or {"en": 1.0}))
    chosen = found.choose({code: (code, -0.3) for code in found.rivals})
    hypothesis = heard(
        *words, language=chosen.language, language_probability=chosen.probability, spoken=dict(chosen.spoken)
    )
    driver.apply(hypothesis)
    return ticket.request


GERMAN = {"de": 0.96, "en": 0.02, "nl": 0.02}
ENGLISH = {"en": 0.96, "de": 0.02, "nl": 0.02}


def carried_last(driver: Driver) -> TakeoverState:
    *_, advance = (outcome.advance for outcome in driver.outcomes if outcome.advance)
    return advance.context


def languages_of(driver: Driver) -> list[str]:
    return [final.language for final in driver.events(Final)]


def test_an_opening_word_decides_little() -> None:
    driver = Driver(interim_results=False)
    say(driver, 1, {"en": 0.6, "de": 0.2, "nl": 0.2})
    say(driver, 4, GERMAN)
    say(driver, 1, {"en": 0.6, "de": 0.2, "nl": 0.2})
    assert languages_of(driver) == ["en", "de", "de"]


def test_a_session_switches_with_the_first_sentence_in_another_language() -> None:
    driver = Driver(interim_results=False)
    for sound in (ENGLISH, ENGLISH, ENGLISH, GERMAN, ENGLISH):
        say(driver, 3.5, sound)
    assert languages_of(driver) == ["en", "en", "en", "de", "en"]


def test_a_word_or_two_do_not_flip_a_session() -> None:
    driver = Driver(interim_results=False)
    for seconds, sound in ((4, ENGLISH), (1, {"zh": 0.7, "en": 0.3}), (1, {"zh": 0.7, "en": 0.3}), (4, ENGLISH)):
        say(driver, seconds, sound)
    assert set(languages_of(driver)) == {"en"}
    alone = Driver(interim_results=False)
    say(alone, 1, {"zh": 0.7, "en": 0.3})
    assert languages_of(alone) == ["zh"], "without what was spoken before it would"


def test_what_was_spoken_is_carried_over_and_nothing_else_decides() -> None:
    whole = Driver(interim_results=False)
    say(whole, 2, {"en": 0.5, "de": 0.5})
    successor = Driver(interim_results=False)
    stored = msgspec.json.decode(msgspec.json.encode(carried_last(whole)), type=TakeoverState)
    successor.session._context.stored = stored
    assert set(stored.spoken) == {"en", "de"}
    assert say(successor, 1).spoken_before == stored.spoken == say(whole, 1).spoken_before


def test_a_language_that_was_set_stays() -> None:
    driver = Driver(interim_results=False, language="fr")
    for seconds in (1, 4, 8):
        assert say(driver, seconds, GERMAN).language == "fr"
    assert carried_last(driver).spoken == {}
    assert set(languages_of(driver)) == {"fr"}


def test_the_choice_of_languages_reaches_every_decode() -> None:
    driver = Driver(languages=("en", "fr"))
    assert say(driver, 4, GERMAN).languages == ("en", "fr")
    assert languages_of(driver) == ["en"]


def test_text_is_carried_into_the_next_utterance() -> None:
    driver = Driver(LivePolicy(context_chars=100, acoustic_context_ms=0), interim_results=False)
    say(driver, 1)
    assert say(driver, 1).prompt == "word0"
    assert (carried_last(driver).text, carried_last(driver).end_sample) == ("word0", 32000)


def test_context_is_not_carried_over_a_long_silence() -> None:
    driver = Driver(LivePolicy(context_chars=100))
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(("old", 0.1, 0.9)))
    driver.audio(5, loud=False)
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.request.prompt == ""


def test_a_model_that_fails_early_is_not_asked_again_and_again() -> None:
    """An engine that refused every request was asked for the same final hundreds of times a second."""
    driver = Driver()
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    ticket = driver.session.begin()
    assert ticket is not None
    driver.fail()
    assert driver.session.due_decode() is None
    driver.audio(0.3, loud=False)
    assert driver.session.due_decode() is Kind.FINAL, "once more, when the utterance is over"


def test_finalize_in_silence_says_nothing_and_loses_nothing() -> None:
    driver = Driver()
    driver.audio(1, loud=False)
    driver.control(FrameKind.FINALIZE)
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(("one", 0.3, 0.9)))
    assert [final.utterance for final in driver.events(Final)] == [1]


@pytest.mark.parametrize("early", [False, True])
def test_finalize_is_answered_behind_the_events_of_earlier_speech(early: bool) -> None:
    driver = Driver(interim_results=False)
    driver.audio(1, loud=True)
    if early:
        driver.audio(0.3, loud=False)
        driver.decode(heard(("one", 0.3, 0.9)))
    driver.control(FrameKind.FINALIZE)
    asked = driver.seq
    kinds = [type(outcome.event) for outcome in driver.outcomes if outcome.event is not None]
    assert kinds == [SpeechStarted, SpeechEnded, Finalized, *([Final] if early else [])]
    assert driver.events(Finalized)[0].at_ms == driver.position // 16
    driver.audio(2, loud=False)
    if not early:
        driver.decode(heard(("one", 0.3, 0.9)))
    answered = next(at for at, outcome in enumerate(driver.outcomes) if isinstance(outcome.event, Finalized))
    before = [outcome.advance.seq for outcome in driver.outcomes[:answered] if outcome.advance]
    assert all(seq < asked for seq in before), "a takeover until then reads the frame again"
    driver.control(FrameKind.FINALIZE)
    driver.control(FrameKind.IDLE)
    assert len(driver.events(Finalized)) == 2, "without speech too, but not for silence"


def test_finalize_within_a_pause_uses_the_final_that_was_decoded_early() -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    driver.decode(heard(("one", 0.3, 0.9)))
    driver.control(FrameKind.FINALIZE)
    assert [final.text for final in driver.events(Final)] == ["one"]
