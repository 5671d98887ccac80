"""Ends of utterances: at pauses, at the ends of sentences, where a connection stalls, and at the longest length."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from support.fake_vad import LoudnessVad
from support.live_driver import Driver, heard, steadily

from stt_shared.contracts.events import Final, Finalized, SpeechEnded, SpeechStarted, TurnEnded
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import Endpointing, SessionConfig
from stt_transcriber.core.live.policy import LivePolicy, TurnPolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.core.live.utterance import Ticket
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.settings import TranscriberSettings

pytestmark = pytest.mark.unit

BY_SOUND = TurnPolicy(has_model=True, finished_above=0.9, unfinished_below=0.5)


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


def in_a_pause(turn: TurnPolicy = BY_SOUND, **config: object) -> Driver:
    """Of 0.3 s, after a second of speech; what is due is running."""
    driver = Driver(LivePolicy(turn=turn), endpointing=Endpointing.AUTO, **config)
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    assert driver.session.begin() is not None
    return driver


def ranges_of(probability: float, text: str, *, late_s: float, pause_s: float) -> list[tuple[int, int]]:
    """Two stretches of speech with a pause between them; each model answers ``late_s`` after it was asked."""
    driver = Driver(LivePolicy(turn=BY_SOUND), endpointing=Endpointing.AUTO, interim_results=False)
    asked: tuple[int, Ticket] | None = None
    steps = [(1.0, True), (pause_s, False), (1.0, True), (1.5, False)]
    loudness = [loud for seconds, loud in steps for _ in range(round(seconds * 10))]

    def answer(ticket: Ticket) -> None:
        if ticket.kind is Kind.TURN:
            driver.judge(probability)
        else:
            *words, (_, start_s, end_s) = steadily((ticket.end - ticket.begin) / 16000)
            driver.apply(heard(*words, (text, start_s, end_s)))

    for now, loud in enumerate(loudness):
        driver.audio(0.1, loud)
        if asked is None and (ticket := driver.session.begin()):
            asked = (now, ticket)
        while asked and now - asked[0] >= late_s * 10:
            answer(asked[1])
            ticket = driver.session.begin()
            asked = (now, ticket) if ticket else None
    driver.control(FrameKind.STOP)
    while ticket := asked[1] if asked else driver.session.begin():
        asked = None
        answer(ticket)
    assert driver.session.finished
    ends = [final.committed_ms for final in driver.events(Final)]
    return list(zip([0, *ends], ends, strict=False))


@pytest.mark.parametrize(
    ("probability", "text", "pause_s", "finals"),
    [
        (0.9, "done.", 0.6, 2),
        (0.1, "done.", 0.6, 1),
        (0.1, "done.", 1.3, 2),
        (0.9, "done,", 0.6, 1),
        (0.9, "done.", 0.4, 1),
    ],
    ids=["finished", "goes on", "waited long enough", "the text goes on", "a short pause"],
)
@pytest.mark.parametrize("late_s", [0, 0.2, 0.5, 1.5, 9])
def test_a_pause_ends_what_sounds_finished_however_late_the_models_answer(
    probability: float, text: str, pause_s: float, finals: int, late_s: float
) -> None:
    ranges = ranges_of(probability, text, late_s=late_s, pause_s=pause_s)
    assert len(ranges) == finals
    assert ranges == ranges_of(probability, text, late_s=0, pause_s=pause_s)


def test_a_pause_is_judged_also_where_no_longer_one_is_allowed() -> None:
    """A base beyond the longest silence leaves only the early ends to judge."""
    driver = Driver(LivePolicy(turn=BY_SOUND), endpointing=Endpointing.AUTO, endpointing_ms=2000, interim_results=False)
    driver.audio(12, loud=True)
    driver.audio(0.4, loud=False)
    assert driver.session.begin() is not None
    driver.judge(0.99)
    driver.decode(heard(*steadily(12), ("over.", 12, 12.1)))
    assert len(driver.events(SpeechEnded)) == 1


def test_a_sentence_that_is_surely_over_ends_sooner_in_a_long_utterance() -> None:
    for seconds, ended in ((4, 0), (12, 1)):
        driver = Driver(LivePolicy(turn=BY_SOUND), endpointing=Endpointing.AUTO, interim_results=False)
        driver.audio(seconds, loud=True)
        driver.audio(0.4, loud=False)
        if driver.session.begin():
            driver.judge(0.99)
            driver.decode(heard(*steadily(seconds), ("over.", seconds, seconds + 0.1)))
        assert len(driver.events(SpeechEnded)) == ended


def test_a_turn_that_is_over_is_told_before_its_final() -> None:
    driver = in_a_pause()
    driver.judge(0.87)
    assert [(event.end_ms, event.probability) for event in driver.events(TurnEnded)] == [(1024, 0.87)]
    assert driver.events(Final) == []
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    assert driver.session.begin() is not None
    driver.judge(0.2)
    assert len(driver.events(TurnEnded)) == 1


def test_with_a_fixed_silence_nobody_asks_whether_the_turn_is_over() -> None:
    driver = Driver(LivePolicy(turn=BY_SOUND), endpointing=Endpointing.FIXED)
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.kind is Kind.FINAL


def test_where_the_speaker_goes_on_a_draft_shows_the_words_and_the_final_waits() -> None:
    driver = in_a_pause()
    driver.judge(0.1)
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.kind is Kind.FIRST
    assert ticket.end > driver.events(SpeechStarted)[0].start_ms * 16 + 16000, "it comprises all that was said"
    driver.apply(heard(("so", 0.3, 0.5), ("on", 0.5, 0.9)))
    assert driver.session.begin() is None
    driver.audio(0.5, loud=False)
    due = driver.session.begin()
    assert due is not None
    assert due.kind is Kind.FINAL, "so that it is ready when the pause is long enough"
    driver.apply(heard(("so", 0.3, 0.5), ("on.", 0.5, 0.9)))
    assert driver.events(Final) == []
    driver.audio(0.5, loud=False)
    assert [final.text for final in driver.events(Final)] == ["so on."]


def test_a_busy_machine_judges_only_pauses_that_may_end_something() -> None:
    driver = Driver(LivePolicy(turn=BY_SOUND), endpointing=Endpointing.AUTO, interim_results=False)
    driver.session.speculates = False
    driver.audio(1, loud=True)
    driver.audio(0.4, loud=False)
    assert driver.session.begin() is None
    driver.audio(0.2, loud=False)
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.kind is Kind.TURN


def test_a_pause_that_waits_for_its_verdict_holds_back_finalize_too() -> None:
    driver = in_a_pause(interim_results=False)
    driver.audio(0.3, loud=False)
    driver.control(FrameKind.FINALIZE)
    driver.audio(1, loud=True)
    driver.control(FrameKind.STOP)
    assert not driver.session.finished
    assert not driver.events(Finalized)
    driver.judge(0.9)
    driver.decode(heard(("Done.", 0.3, 0.9)))
    assert driver.events(Finalized)
    assert [final.text for final in driver.events(Final)] == ["Done."]
    driver.decode(heard(("More.", 0.3, 0.9)))
    assert [final.text for final in driver.events(Final)] == ["Done.", "More."]
    assert driver.session.finished


def test_a_turn_model_that_fails_leaves_the_decision_to_the_text() -> None:
    driver = in_a_pause(interim_results=False)
    driver.audio(0.4, loud=False)
    assert driver.events(SpeechEnded) == []
    driver.fail()
    driver.decode(heard(("Done.", 0.3, 0.9)))
    assert [final.text for final in driver.events(Final)] == ["Done."]
    assert driver.events(TurnEnded) == []


def test_models_that_fail_do_not_hold_a_pause_for_ever() -> None:
    driver = in_a_pause(interim_results=False)
    driver.audio(0.4, loud=False)
    driver.fail()
    assert driver.session.begin() is not None
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
