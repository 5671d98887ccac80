"""Ends of utterances: at pauses, at the ends of sentences, where a connection stalls, and at the longest length."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from support.fake_vad import LoudnessVad
from support.live_driver import Driver, heard, steadily

from stt_shared.contracts.events import Final, SpeechEnded
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import SessionConfig
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.settings import TranscriberSettings

pytestmark = pytest.mark.unit


def test_an_utterance_is_cut_where_the_setting_says() -> None:
    driver = Driver(TranscriberSettings(max_utterance_s=6).policy())
    driver.audio(14, loud=True)
    ends = []
    while (ticket := driver.session.begin()) and ticket.kind is Kind.FINAL:
        ends.append(ticket.end)
        driver.apply(heard(*steadily((ticket.end - ticket.begin) / 16000)))
    assert ends
    assert all(3_000 * 16 <= end - begin <= 6_000 * 16 for begin, end in pairwise([0, *ends]))


def test_endless_speech_is_cut_at_its_quietest_moment_and_goes_on() -> None:
    driver = Driver(LivePolicy(max_utterance_ms=10_000, cut_look_back_ms=3_000))
    driver.audio(8, loud=True)
    driver.audio(0.1, loud=False)
    driver.audio(4, loud=True)
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.kind is Kind.FINAL
    assert abs(ticket.end / 16000 - 8.05) < 0.1
    driver.apply(heard(*steadily(8)))
    driver.control(FrameKind.STOP)
    following = driver.session.begin()
    assert following is not None
    assert following.begin == ticket.end
    driver.apply(heard(("b", 0, 4)))
    assert [final.utterance for final in driver.events(Final)] == [1, 2]
    assert driver.session.finished


def test_endless_speech_is_cut_in_a_pause_rather_than_where_it_is_quietest() -> None:
    """A plosive's closure is quieter than a pause in a noisy room; the voice model tells them apart."""
    policy = LivePolicy(max_utterance_ms=10_000, cut_look_back_ms=3_000)

    class Voice(LoudnessVad):
        def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
            loudest = np.abs(samples.reshape(-1, 512)).max(axis=1)
            return ((loudest > 0.1) | (loudest == 0)).astype(np.float32)

    session = LiveSession("s", SessionConfig(), policy, Voice())
    audio = np.full(11 * 16000, 5000, np.int16)
    audio[round(8.0 * 16000) : round(8.2 * 16000)] = 1000  # a pause with the room in it
    audio[round(9.0 * 16000) : round(9.2 * 16000)] = 0
    for seq, at in enumerate(range(0, len(audio), 1600), start=1):
        session.feed(Frame(seq, FrameKind.AUDIO, audio[at : at + 1600].tobytes(), FrameMeta(1.0, at)), 0)
    ticket = session.begin()
    assert ticket is not None
    assert ticket.kind is Kind.FINAL
    assert 8.0 <= ticket.end / 16000 <= 8.2


def test_speech_between_a_cut_and_the_end_is_not_lost_however_soon_it_ends() -> None:
    """The cut lies seconds back: what was said since then counts as voice of the rest."""
    driver = Driver(LivePolicy(max_utterance_ms=10_000, cut_look_back_ms=3_000))
    driver.audio(8, loud=True)
    driver.audio(0.1, loud=False)
    driver.audio(2, loud=True)
    driver.audio(1, loud=False)
    cut = driver.session.begin()
    assert cut is not None
    driver.apply(heard(*steadily(8)))
    rest = driver.session.begin()
    assert rest is not None
    assert rest.begin == cut.end
    assert rest.end > 10.1 * 16000


def test_nothing_is_left_of_an_utterance_that_is_cut_in_the_pause_at_its_end() -> None:
    driver = Driver(LivePolicy(max_utterance_ms=10_000, cut_look_back_ms=3_000), endpointing_ms=5000)
    driver.audio(8, loud=True)
    driver.audio(2.5, loud=False)
    driver.control(FrameKind.STOP)
    driver.decode(heard(*steadily(8)))
    assert driver.session.due_decode() is None
    assert driver.session.finished


def in_a_pause(sentence_ms: int = 300, **config: object) -> Driver:
    """Of 0.3 s, and what was said before it is being decoded."""
    driver = Driver(LivePolicy(sentence_endpointing_ms=sentence_ms), **config)
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    assert driver.session.begin() is not None
    return driver


def ranges_of(sentence_ms: int, text: str, *, decoded_after_s: float, pause_s: float = 0.4) -> list[tuple[int, int]]:
    """Two stretches of speech with a pause between them; the model takes ``decoded_after_s`` for the first."""
    driver = in_a_pause(sentence_ms, interim_results=False)
    ranges = []
    rest = [(pause_s - 0.3, False), (1.0, True), (0.8, False)]
    steps = [loud for seconds, loud in rest for _ in range(round(seconds * 10))]
    late = round(decoded_after_s * 10)
    for index, loud in enumerate(steps):
        if index == late:
            driver.apply(heard((text, 0.3, 0.9)))
        driver.audio(0.1, loud)
    if late >= len(steps):
        driver.apply(heard((text, 0.3, 0.9)))
    driver.control(FrameKind.STOP)
    for final in driver.events(Final):
        ranges.append((final.utterance, final.text))
    while following := driver.session.begin():
        ranges.append((following.begin, following.end))
        driver.apply(heard(*steadily(2.5, "next")))
    assert driver.session.finished
    return ranges


def test_a_sentence_ends_sooner_when_that_is_asked_for() -> None:
    assert ranges_of(300, "Done.", decoded_after_s=0)[0] == (1, "Done.")
    assert len(ranges_of(0, "Done.", decoded_after_s=0)) == 1, "by default a pause of 400 ms ends nothing"


@pytest.mark.parametrize("text", ["Done.", "and then"])
@pytest.mark.parametrize("late_s", [0.2, 0.5, 1.5, 9])
def test_an_early_end_does_not_depend_on_how_fast_the_model_is(text: str, late_s: float) -> None:
    assert ranges_of(300, text, decoded_after_s=late_s) == ranges_of(300, text, decoded_after_s=0)


def test_a_pause_that_waits_for_its_text_holds_back_finalize_too() -> None:
    driver = in_a_pause()
    driver.audio(0.1, loud=False)
    driver.control(FrameKind.FINALIZE)
    driver.audio(1, loud=True)
    driver.control(FrameKind.STOP)
    assert not driver.session.finished
    driver.apply(heard(("Done.", 0.3, 0.9)))
    assert [final.text for final in driver.events(Final)] == ["Done."]
    driver.decode(heard(("More.", 0.3, 0.9)))
    assert [final.text for final in driver.events(Final)] == ["Done.", "More."]
    assert driver.session.finished


def test_a_model_that_fails_does_not_hold_a_pause_for_ever() -> None:
    driver = in_a_pause()
    driver.audio(0.4, loud=False)
    assert len(driver.events(SpeechEnded)) == 0
    driver.fail()
    assert len(driver.events(SpeechEnded)) == 1


@pytest.mark.parametrize(("kind", "texts"), [(FrameKind.IDLE, ["hello", "there"]), (FrameKind.FINALIZE, ["hello"])])
@pytest.mark.parametrize("pre_roll_ms", [0, 300])
def test_the_rest_of_a_word_counts_where_nobody_asked_for_the_cut(
    kind: FrameKind, texts: list[str], pre_roll_ms: int
) -> None:
    """So little voice after a breath is no onset of speech; of a word that a stalled line cut in two it is the end."""
    driver = Driver(LivePolicy(pre_roll_ms=pre_roll_ms), interim_results=False)
    driver.audio(1, loud=True)
    driver.control(kind)
    driver.decode(heard(("hello", 0.3, 0.7)))
    driver.audio(0.1, loud=False)
    driver.feed(Frame(99, FrameKind.AUDIO, np.full(400, 5000, np.int16).tobytes(), FrameMeta(start_sample=17600)))
    driver.seq, driver.position = 99, 18000
    driver.audio(1, loud=False)
    if driver.session.due_decode() is not None:
        driver.decode(heard(("there", 0.0, 0.1)))
    assert [final.text for final in driver.events(Final)] == texts


def test_what_a_stalled_client_says_last_counts_however_short() -> None:
    """Silence of the line ended the utterance in mid-word; alone, as little voice as this is a click."""
    policy = LivePolicy(min_speech_ms=250)
    driver = Driver(policy, interim_results=False)
    driver.audio(1, loud=True)
    driver.control(FrameKind.IDLE)
    driver.decode(heard(("hello", 0.3, 0.7)))
    driver.audio(0.2, loud=True)
    driver.audio(1, loud=False)
    driver.decode(heard(("there", 0.0, 0.2)))
    assert [final.text for final in driver.events(Final)] == ["hello", "there"]
    driver.audio(2, loud=False)
    driver.audio(0.2, loud=True)
    driver.audio(1, loud=False)
    assert driver.session.begin() is None
