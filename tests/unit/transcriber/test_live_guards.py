"""A live session's response to texts that the guards reject."""

import pytest
from support.live_driver import Driver, heard

from stt_shared.contracts.events import Final, Gap, Partial
from stt_shared.contracts.frames import FrameKind
from stt_transcriber.core.decoding import Quality
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.schedule.scheduler import Kind

pytestmark = pytest.mark.unit


def looped() -> Driver:
    """Partials showed "fine so", then the model looped, in the final too."""
    driver = Driver(prompt="names")
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(("before", 0.1, 0.9)))
    driver.audio(1, loud=True)
    driver.decode(heard(("fine", 0.1, 0.4)))
    driver.audio(0.5, loud=True)
    driver.decode(heard(("fine", 0.1, 0.4), ("so", 0.6, 0.8)))
    driver.audio(0.5, loud=True)
    driver.decode(heard(*[("so", 0.1, 0.2)] * 30, truncated=True))
    assert driver.events(Partial)[-1].text == "fine so"
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(*[("so", 0.1, 0.2)] * 30, truncated=True))
    assert len(driver.events(Final)) == 1
    return driver


def test_text_of_a_loop_is_not_shown_and_the_final_is_decoded_once_more_without_its_prompt() -> None:
    driver = looped()
    assert driver.session.due_decode() is Kind.FINAL
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.request.quality is Quality.FULL
    assert ticket.request.prompt == "", "the prompt, or what was said before, may be what it loops on"
    assert (ticket.begin, ticket.end) == (16000, 48000), "all of it, whatever partials had settled"
    driver.apply(heard(("fine", 0.1, 0.4), ("too", 0.6, 0.8)))
    assert [final.text for final in driver.events(Final)] == ["before", "fine too"]
    assert set(driver.session.rejected) == {"token limit"}


def test_without_a_prompt_the_final_is_decoded_once_more_plainly() -> None:
    driver = Driver(interim_results=False)
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(*[("so", 0.1, 0.2)] * 30, truncated=True))
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.request.quality is Quality.DRAFT
    driver.apply(heard(*[("so", 0.1, 0.2)] * 30, truncated=True))
    assert driver.session.due_decode() is None
    assert not driver.events(Final)


@pytest.mark.parametrize(("again", "finals"), [("music", ["music"]), ("Grafana", [])])
def test_a_text_that_only_repeats_the_prompt_is_decoded_without_it(again: str, finals: list[str]) -> None:
    driver = Driver(prompt="Glossary: Kubernetes, Grafana.", interim_results=False)
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(("Glossary", 0.1, 0.5), ("Grafana.", 0.5, 0.9), no_speech_prob=0.7))
    assert driver.session.rejected == ["prompt"]
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.request.prompt == ""
    driver.apply(heard((again, 0.1, 0.5), no_speech_prob=0.7 if finals else 0.9, avg_logprob=-0.2 if finals else -1.1))
    assert [final.text for final in driver.events(Final)] == finals
    assert driver.session.due_decode() is None


def test_what_is_clearly_said_may_be_in_the_prompt() -> None:
    driver = Driver(prompt="Glossary: Kubernetes, Grafana.", interim_results=False)
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(("Kubernetes", 0.1, 0.5)))
    assert [final.text for final in driver.events(Final)] == ["Kubernetes"]


def test_words_that_no_final_confirms_are_taken_back_and_the_number_goes_to_the_next() -> None:
    driver = looped()
    driver.decode(heard(*[("so", 0.1, 0.2)] * 30, truncated=True))
    assert len(driver.events(Final)) == 1
    empty = driver.events(Partial)[-1]
    assert (empty.text, empty.stable, empty.unstable, empty.new_text) == ("", "", "", "")
    assert empty.utterance == driver.events(Partial)[-2].utterance == 2
    assert driver.outcomes[-1].event is empty
    assert driver.outcomes[-1].advance is not None, "it is settled all the same"
    assert driver.outcomes[-1].advance.samples == 48000
    driver.audio(1, loud=True)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("after", 0.1, 0.9)))
    assert [(final.utterance, final.text) for final in driver.events(Final)] == [(1, "before"), (2, "after")]


@pytest.mark.parametrize("drafted", [True, False])
def test_what_a_final_says_does_not_depend_on_what_was_shown(drafted: bool) -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    if drafted:
        driver.decode(heard(("fine", 0.1, 0.4)))
    driver.audio(1, loud=True)
    if drafted:
        driver.decode(heard(("fine", 0.1, 0.4), ("so", 0.6, 0.8)))
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(("so", 0.1, 0.2), truncated=True))
    driver.decode(heard())
    driver.audio(1, loud=True)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("next", 0.1, 0.9)))
    assert [(final.utterance, final.text) for final in driver.events(Final)] == [(1, "next")]
    assert [partial.text for partial in driver.events(Partial)] == (["fine", "fine so", ""] if drafted else [])


def test_an_invention_does_not_choose_the_language() -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    driver.decode(heard(("fine", 0.1, 0.4)))
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(("so", 0.1, 0.2), truncated=True, language="cy", language_probability=0.9))
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.request.language is None


def test_little_voice_counts_against_a_final() -> None:
    """A knock just before `stop`: the model makes "you" of it, with some confidence."""
    driver = Driver()
    driver.audio(1, loud=False)
    driver.audio(0.1, loud=True)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("so", 0.1, 0.2), no_speech_prob=0.7))
    assert len(driver.events(Final)) == 1, "a short word has voice in a fifth of its audio, pre-roll included"
    driver = Driver(LivePolicy(pre_roll_ms=900))
    driver.audio(1, loud=False)
    driver.audio(0.1, loud=True)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("so", 0.1, 0.2), no_speech_prob=0.7))
    assert not driver.events(Final)
    assert driver.session.rejected == ["no speech, little voice"]


def test_an_unlikely_first_word_is_shown_but_no_final_is_made_of_it() -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    unlikely = {"no_speech_prob": 0.7, "avg_logprob": -1.3}
    driver.decode(heard(("if", 0.1, 0.4), **unlikely))
    assert [partial.text for partial in driver.events(Partial)] == ["if"]
    driver.audio(1, loud=True)
    driver.decode(heard(("if", 0.1, 0.4), ("not", 1.1, 1.4), **unlikely))
    assert len(driver.events(Partial)) == 1, "by now there should be more to go by"
    driver.control(FrameKind.FINALIZE)
    for _ in range(2):
        driver.decode(heard(("if", 0.1, 0.4), **unlikely))
    assert not driver.events(Final)
    assert driver.events(Partial)[-1].text == ""


def test_speech_whose_text_is_refused_is_told() -> None:
    driver = Driver(interim_results=False)
    driver.audio(1, loud=False)
    driver.audio(2, loud=True)
    driver.audio(1, loud=False)
    for _ in range(2):
        driver.decode(heard(("so", 1.1, 1.9), avg_logprob=-2.0))
    (gap,) = driver.events(Gap)
    assert gap.cause == "speech_not_recognized"
    assert (gap.from_ms, gap.to_ms) == (pytest.approx(1000, abs=32), pytest.approx(3000, abs=32))


def test_speech_that_the_model_fails_on_is_told() -> None:
    driver = Driver(interim_results=False)
    driver.audio(2, loud=True)
    driver.control(FrameKind.STOP)
    ticket = driver.session.begin()
    assert ticket is not None
    driver.fail()
    (gap,) = driver.events(Gap)
    assert (gap.from_ms, gap.to_ms) == (0, pytest.approx(2000, abs=32))
    assert driver.session.finished
