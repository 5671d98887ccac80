"""Keyterms, replacements and fillers of a live session: where they apply, and to what."""

import pytest
from support.live_driver import Driver, heard

from stt_shared.contracts.events import Configured, Final, Partial
from stt_shared.contracts.frames import FrameKind
from stt_shared.contracts.session import Fillers, Redaction, VocabularyUpdate
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.schedule.scheduler import Kind

pytestmark = pytest.mark.unit
NAMES = {"cooper netties": "Kubernetes"}
TIMED = [("we", 0.3, 0.5), ("use", 0.5, 0.7), ("Cooper", 0.8, 1.0), ("netties,", 1.0, 1.4), ("um,", 1.5, 1.7)]


def speak(driver: Driver, *heard_so_far: int) -> None:
    """Two seconds of speech with a partial for each number of words, then the final of all of them."""
    driver.audio(1, loud=False)
    for count in heard_so_far:
        driver.audio(1, loud=True)
        driver.decode(heard(*TIMED[:count]))
    driver.audio(0.3, loud=False)
    assert driver.session.due_decode() is Kind.FINAL
    driver.decode(heard(*TIMED))
    driver.audio(0.4, loud=False)


def test_partials_and_finals_say_the_same_and_half_a_phrase_is_not_stable() -> None:
    driver = Driver(replacements=NAMES, fillers=Fillers.REMOVE)
    speak(driver, 3, 3, 4, 5)
    texts = [(event.stable, event.unstable) for event in driver.events(Partial)]
    assert any("Cooper" in unstable for _, unstable in texts)
    assert all("Cooper" not in stable and "um" not in stable + unstable for stable, unstable in texts)
    (final,) = driver.events(Final)
    assert final.text == "we use Kubernetes"
    replaced = final.words[-1]
    assert (replaced.word, replaced.end_ms - replaced.start_ms) == ("Kubernetes", 600)
    stable = ""
    for event in driver.events(Partial):
        assert event.stable.startswith(stable), "stable text is never revised"
        stable = event.stable


def test_without_them_the_text_is_the_models() -> None:
    driver = Driver()
    speak(driver, 3, 4)
    assert driver.events(Final)[0].text == "we use Cooper netties, um,"


def test_an_utterance_of_fillers_alone_has_no_final() -> None:
    driver = Driver(fillers=Fillers.REMOVE)
    driver.audio(1, loud=False)
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    driver.decode(heard(("Um.", 0.3, 0.7)))
    driver.audio(0.4, loud=False)
    assert not driver.events(Final)
    assert not driver.session.speaking


def test_the_next_utterance_is_prompted_with_what_the_model_wrote() -> None:
    driver = Driver(LivePolicy(context_chars=160), replacements=NAMES)
    speak(driver, 4)
    driver.audio(1, loud=True)
    ticket = driver.session.begin()
    assert ticket is not None
    assert "Cooper netties" in ticket.request.prompt


SECRET = [("call", 0.3, 0.5), ("0170", 0.5, 0.7), ("123", 0.8, 1.0), ("4567,", 1.0, 1.4), ("please", 1.5, 1.7)]


def test_what_is_redacted_is_in_no_event_and_not_in_what_is_stored() -> None:
    driver = Driver(LivePolicy(context_chars=160), redact=(Redaction.PHONE,), store=True)
    driver.audio(1, loud=False)
    for count in (2, 3, 3, 4, 5, 5):
        driver.audio(0.5, loud=True)
        driver.decode(heard(*SECRET[:count]))
    driver.audio(0.3, loud=False)
    driver.decode(heard(*SECRET))
    driver.audio(0.4, loud=False)
    (final,) = driver.events(Final)
    assert final.text == "call [phone], please"
    assert [(word.word, word.end_ms - word.start_ms) for word in final.words][1] == ("[phone],", 900)
    assert any(event.text == "call [phone], please" for event in driver.events(Partial))
    driver.control(FrameKind.STOP)
    said = f"{driver.outcomes} {driver.session.done({})}"
    for digits in ("0170", "123 4567", "4567"):
        assert digits not in said
    assert not any(word.word == "123" for word in final.words)


def test_keyterms_reach_drafts_and_finals() -> None:
    driver = Driver(keyterms=("Kubernetes",))
    driver.audio(1, loud=False)
    driver.audio(1, loud=True)
    draft = driver.session.begin()
    assert draft is not None
    driver.apply(heard(*TIMED))
    driver.audio(0.3, loud=False)
    final = driver.session.begin()
    assert final is not None
    assert (draft.request.keyterms, final.request.keyterms) == (("Kubernetes",), ("Kubernetes",))


def test_a_change_counts_from_the_next_utterance_on() -> None:
    driver = Driver(replacements=NAMES)
    driver.audio(1, loud=False)
    driver.audio(1, loud=True)
    driver.control(FrameKind.CONFIGURE, VocabularyUpdate(("Helm",), {"cooper netties": "K8s"}))
    (configured,) = driver.events(Configured)
    assert (configured.from_ms, configured.keyterms, configured.replacements) == (
        2000,
        ["Helm"],
        {"cooper netties": "K8s"},
    )
    first = driver.session.begin()
    assert first is not None
    assert first.request.keyterms == ()
    driver.apply(heard(*TIMED))
    assert driver.session.speaking, "it ends no utterance"
    driver.audio(0.7, loud=False)
    driver.decode(heard(*TIMED))
    speak(driver, 4)
    assert [final.text for final in driver.events(Final)] == ["we use Kubernetes, um,", "we use K8s, um,"]


def test_the_next_owner_is_told_of_the_change() -> None:
    driver = Driver()
    driver.audio(1, loud=False)
    driver.control(FrameKind.CONFIGURE, VocabularyUpdate(replacements=NAMES))
    speak(driver, 4)
    driver.audio(3, loud=False)
    advances = [outcome.advance for outcome in driver.outcomes if outcome.advance]
    seen = 0
    for advance in advances:
        if advance.samples < 32_000:
            continue
        seen += 1
        (change,) = advance.context.vocabularies
        assert (change.position, change.vocabulary.replacements) == (16_000, NAMES)
    assert seen
