"""What a final hears before its own audio, and how long that audio and its words are kept."""

import numpy as np
import pytest
from support.live_driver import Driver, heard, steadily

from stt_shared.contracts.frames import FrameKind
from stt_shared.contracts.session import AcousticContext, SaidWord, Task
from stt_transcriber.core.decoding import DecodeRequest, EarlierSpeech, Quality
from stt_transcriber.core.live.acoustic_context import extended, shortened
from stt_transcriber.core.live.outcome import Advance
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.text.agreement import PlacedWord

pytestmark = pytest.mark.unit

SECOND = 16_000
HEARS = LivePolicy(acoustic_context_ms=5_000)


def asked(driver: Driver, seconds: float, word: str = "a", **changes: object) -> DecodeRequest:
    """The request for the final of an utterance that is cut right after this much speech; it has a word each half
    second."""
    driver.audio(seconds, loud=True)
    driver.control(FrameKind.FINALIZE)
    ticket = driver.session.begin()
    assert ticket is not None
    driver.apply(heard(*steadily(seconds, word), **changes))
    return ticket.decode


def told(request: DecodeRequest) -> EarlierSpeech:
    assert request.earlier is not None
    return request.earlier


def committed(driver: Driver) -> Advance:
    return [outcome.advance for outcome in driver.outcomes if outcome.advance][-1]


def test_a_final_right_after_a_cut_hears_the_seconds_before_with_their_words() -> None:
    driver = Driver(LivePolicy(acoustic_context_ms=2_000), language="en", interim_results=False)
    assert asked(driver, 4, "a").earlier is None
    earlier = told(asked(driver, 3, "b"))
    # The margin before its first word must lie in the seconds, too.
    assert (earlier.text, earlier.language) == (" a5 a6 a7", "en")
    assert len(earlier.samples) == 1.5 * SECOND
    assert np.all(earlier.samples > 0.1)
    assert told(asked(driver, 1, "c")).text == " b3 b4 b5"


def test_a_short_final_leaves_the_words_before_it_in_the_context() -> None:
    driver = Driver(HEARS, language="en", interim_results=False)
    asked(driver, 4, "a")
    asked(driver, 1, "b")
    earlier = told(asked(driver, 1, "c"))
    assert earlier.text == " a a1 a2 a3 a4 a5 a6 a7 b b1"
    assert len(earlier.samples) == 5 * SECOND


def test_after_a_silence_nothing_is_heard_and_nothing_is_kept() -> None:
    driver = Driver(HEARS, language="en", interim_results=False)
    asked(driver, 4)
    at = committed(driver)
    assert at.samples == 4 * SECOND
    assert at.context.acoustic_context is not None
    assert at.seq <= 2, "the frames of what may be heard again are needed"
    driver.audio(3, loud=False)
    at = committed(driver)
    assert at.context.acoustic_context is None
    assert at.samples / 1600 - at.seq <= 13
    assert asked(driver, 2).earlier is None


def test_without_the_setting_no_more_is_kept_than_is_uncommitted() -> None:
    driver = Driver(LivePolicy(acoustic_context_ms=0), language="en", interim_results=False)
    asked(driver, 4)
    at = committed(driver)
    assert at.context.acoustic_context is None
    assert at.samples / 1600 - at.seq <= 12
    assert asked(driver, 2).earlier is None


def test_the_words_are_those_that_were_decoded() -> None:
    driver = Driver(HEARS, language="en", interim_results=False, replacements={"a1": "x y z"})
    asked(driver, 1)
    assert told(asked(driver, 1)).text == " a a1"


def test_a_translation_hears_nothing_before_it() -> None:
    driver = Driver(HEARS, task=Task.TRANSLATE, interim_results=False)
    asked(driver, 2)
    assert asked(driver, 2).earlier is None


def test_what_is_heard_is_not_in_the_prompt_as_well() -> None:
    policy = LivePolicy(acoustic_context_ms=1_200, context_chars=100)
    driver = Driver(policy, language="en", interim_results=False, prompt="Names.")
    asked(driver, 3)
    request = asked(driver, 1)
    assert (request.prompt, told(request).text) == ("Names. a a1 a2 a3", " a4 a5")


def test_a_text_that_is_refused_is_decoded_without_it() -> None:
    driver = Driver(HEARS, language="en", interim_results=False)
    asked(driver, 2)
    invented = {"avg_logprob": -2.0, "no_speech_prob": 0.9}
    assert told(asked(driver, 1, "b", **invented)).text
    ticket = driver.session.begin()
    assert ticket is not None
    assert (ticket.decode.earlier, ticket.decode.quality) == (None, Quality.FULL)


def test_speech_without_its_text_is_not_heard_again() -> None:
    driver = Driver(HEARS, language="en", interim_results=False)
    asked(driver, 2)
    driver.audio(2, loud=True)
    driver.control(FrameKind.FINALIZE)
    assert driver.session.begin() is not None
    driver.fail()
    asked(driver, 1, "c")
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    ticket = driver.session.begin()
    assert ticket is not None
    assert told(ticket.decode).text == " c c1"


def test_both_together_are_no_more_than_the_model_can_hear() -> None:
    driver = Driver(HEARS, language="en", interim_results=False)
    asked(driver, 5)
    request = asked(driver, 27)
    assert len(told(request).samples) <= 2.5 * SECOND
    assert len(told(request).samples) + len(request.samples) <= 29.5 * SECOND


def words(*starts_ms: int) -> list[PlacedWord]:
    return [PlacedWord(f"w{start}", start, start + 400, 1.0) for start in starts_ms]


def test_the_context_begins_before_a_word_and_after_the_one_before() -> None:
    context = extended(None, words(1000, 1450, 3000), "en", 0, 0)
    assert context is not None
    assert context.begin_sample == 0
    assert shortened(context, 16 * 1200) == AcousticContext(16 * 1400, (*context.words[1:],), "en")
    assert shortened(context, 16 * 2500) == AcousticContext(16 * 2900, (SaidWord("w3000", 3000, 3400),), "en")
    assert shortened(context, 16 * 2950) is None


def test_the_context_has_one_language() -> None:
    english = extended(None, words(1000), "en", 0, 0)
    french = extended(english, words(2000), "fr", 16 * 1500, 0)
    assert french == AcousticContext(16 * 1500, (SaidWord("w2000", 2000, 2400),), "fr")
    assert extended(english, [], "en", 16 * 1500, 0) is None
