"""The pure live session: what it asks to be decoded, what it says, and that it says it in order."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stt_shared.contracts.events import Final, Partial, SpeechEnded, SpeechStarted
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import SessionConfig
from stt_transcriber.core.hypothesis import Hypothesis, Quality, TimedWord
from stt_transcriber.core.live import LiveSession
from stt_transcriber.core.outcome import Outcome
from stt_transcriber.core.policy import LivePolicy
from stt_transcriber.core.scheduler import Kind

pytestmark = pytest.mark.unit


class LoudIsVoice:
    """A voice model without a memory."""

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return (np.abs(samples.reshape(-1, 512)).max(axis=1) > 0.01).astype(np.float32)

    def state(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        assert state == b""


def heard(*words: tuple[str, float, float], **changes: object) -> Hypothesis:
    values: dict[str, object] = {
        "text": " ".join(word for word, _, _ in words),
        "words": tuple(TimedWord(word, start, end, 0.9) for word, start, end in words),
        "language": "en",
        "language_probability": 1.0,
        "avg_logprob": -0.2,
        "no_speech_prob": 0.01,
        "compression_ratio": 1.1,
    }
    return Hypothesis(**(values | changes))  # type: ignore[arg-type]


class Driver:
    """Feeds a session 100 ms at a time and keeps what it says."""

    def __init__(self, policy: LivePolicy | None = None, **config: object) -> None:
        self.session = LiveSession("s", SessionConfig(**config), policy or LivePolicy(), LoudIsVoice())  # type: ignore[arg-type]
        self.seq = 0
        self.position = 0
        self.outcomes: list[Outcome] = []

    def audio(self, seconds: float, loud: bool) -> None:
        for _ in range(round(seconds * 10)):
            samples = np.full(1600, 5000 if loud else 0, np.int16)
            self.seq += 1
            meta = FrameMeta(received_ms=self.position / 16, start_sample=self.position)
            self.position += len(samples)
            self._take(self.session.feed(Frame(self.seq, FrameKind.AUDIO, samples.tobytes(), meta), 0))

    def control(self, kind: FrameKind) -> None:
        self.seq += 1
        self._take(self.session.feed(Frame(self.seq, kind), 0))

    def decode(self, hypothesis: Hypothesis) -> None:
        ticket = self.session.begin()
        assert ticket is not None
        self._take(self.session.apply(ticket, hypothesis, 0))

    def _take(self, outcomes: list[Outcome]) -> None:
        self.outcomes += outcomes
        while self.session.needs_no_model():
            self.outcomes += self.session.settle(0)

    def events(self, kind: type) -> list:  # type: ignore[type-arg]
        return [outcome.event for outcome in self.outcomes if isinstance(outcome.event, kind)]


def test_silence_asks_for_nothing_and_moves_the_committed_position() -> None:
    driver = Driver()
    driver.audio(5, loud=False)
    assert driver.session.wish() is None
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
    assert driver.session.wish() is Kind.FIRST
    driver.decode(heard(("hello", 0.3, 0.7)))
    driver.audio(1, loud=True)
    assert driver.session.wish() is Kind.PARTIAL
    driver.decode(heard(("hello", 0.3, 0.7), ("world", 0.9, 1.4)))
    driver.audio(0.3, loud=False)
    assert driver.session.wish() is Kind.FINAL, "the pause may be the end: the final is decoded ahead"
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


def test_an_early_final_is_dropped_when_speech_goes_on() -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    driver.decode(heard(("one", 0.1, 0.5)))
    driver.audio(1, loud=True)
    driver.audio(0.7, loud=False)
    assert not driver.events(Final)
    assert driver.session.wish() is Kind.FINAL
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
    driver.outcomes += driver.session.apply(ticket, heard(("end", 0.5, 0.99)), 0)
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
    assert driver.session.wish() is None
    assert not driver.events(Final)


def test_endless_speech_is_cut_at_its_quietest_moment_and_goes_on() -> None:
    driver = Driver(LivePolicy(max_utterance_ms=10_000, cut_look_back_ms=3_000))
    driver.audio(8, loud=True)
    driver.audio(0.1, loud=False)
    driver.audio(4, loud=True)
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.kind is Kind.FINAL
    assert abs(ticket.end / 16000 - 8.05) < 0.1
    driver.outcomes += driver.session.apply(ticket, heard(("a", 0, 1)), 0)
    driver.control(FrameKind.STOP)
    following = driver.session.begin()
    assert following is not None
    assert following.begin == ticket.end
    driver.outcomes += driver.session.apply(following, heard(("b", 0, 1)), 0)
    assert [final.utterance for final in driver.events(Final)] == [1, 2]
    assert driver.session.finished


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


def test_text_of_a_loop_is_not_shown_and_the_final_is_decoded_once_more_plainly() -> None:
    driver = looped()
    assert driver.session.wish() is Kind.FINAL
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.request.quality is Quality.DRAFT
    assert ticket.request.prompt == "names", "what was said before may be what it loops on"
    assert (ticket.begin, ticket.end) == (16000, 48000), "all of it, whatever partials had settled"
    driver._take(driver.session.apply(ticket, heard(("fine", 0.1, 0.4), ("too", 0.6, 0.8)), 0))
    assert [final.text for final in driver.events(Final)] == ["before", "fine too"]
    assert set(driver.session.rejected) == {"token limit"}


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


def test_speech_between_a_cut_and_the_end_is_not_lost_however_soon_it_ends() -> None:
    """The cut lies seconds back: what was said since then counts as voice of the rest."""
    driver = Driver(LivePolicy(max_utterance_ms=10_000, cut_look_back_ms=3_000))
    driver.audio(8, loud=True)
    driver.audio(0.1, loud=False)
    driver.audio(2, loud=True)
    driver.audio(1, loud=False)
    cut = driver.session.begin()
    assert cut is not None
    driver._take(driver.session.apply(cut, heard(("a", 0, 1)), 0))
    rest = driver.session.begin()
    assert rest is not None
    assert rest.begin == cut.end
    assert rest.end > 10.1 * 16000


def test_nothing_is_left_of_an_utterance_that_is_cut_in_the_pause_at_its_end() -> None:
    driver = Driver(LivePolicy(max_utterance_ms=10_000, cut_look_back_ms=3_000), endpointing_ms=5000)
    driver.audio(8, loud=True)
    driver.audio(2.5, loud=False)
    driver.control(FrameKind.STOP)
    driver.decode(heard(("a", 0, 1)))
    assert driver.session.wish() is None
    assert driver.session.finished


def test_commits_lie_on_exact_milliseconds() -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    driver.seq += 1
    odd = np.full(1003, 5000, np.int16).tobytes()
    driver._take(driver.session.feed(Frame(driver.seq, FrameKind.AUDIO, odd, FrameMeta(1.0, driver.position)), 0))
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
    driver.outcomes += driver.session.fail(ticket, 0)
    assert driver.session.finished


def test_without_interim_results_there_are_only_finals() -> None:
    driver = Driver(interim_results=False)
    driver.audio(2, loud=True)
    assert driver.session.wish() is None
    driver.audio(0.6, loud=False)
    assert driver.session.wish() is Kind.FINAL
    driver.decode(heard(("x", 0, 1)))
    assert not driver.events(Partial)
    assert len(driver.events(Final)) == 1


def test_language_is_locked_by_the_first_final_and_carried_with_it() -> None:
    driver = Driver(LivePolicy(context_chars=100))
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(("bonjour", 0.1, 0.9), language="fr", language_probability=0.9))
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    ticket = driver.session.begin()
    assert ticket is not None
    assert ticket.request.language == "fr"
    assert ticket.request.prompt == "bonjour"
    advance = next(outcome.advance for outcome in driver.outcomes if isinstance(outcome.event, Final))
    assert advance is not None
    carried = advance.context
    assert (carried.language, carried.text, carried.end_sample) == ("fr", "bonjour", 16000)


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
    driver.outcomes += driver.session.fail(ticket, 0)
    assert driver.session.wish() is None
    driver.audio(0.3, loud=False)
    assert driver.session.wish() is Kind.FINAL, "once more, when the utterance is over"


def ranges_of(sentence_ms: int, text: str, *, decoded_after_s: float, pause_s: float = 0.4) -> list[tuple[int, int]]:
    """Two stretches of speech with a pause between them; the model takes ``decoded_after_s`` for the first."""
    driver = Driver(LivePolicy(sentence_endpointing_ms=sentence_ms), interim_results=False)
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    ticket = driver.session.begin()
    assert ticket is not None
    ranges = []
    rest = [(pause_s - 0.3, False), (1.0, True), (0.8, False)]
    steps = [loud for seconds, loud in rest for _ in range(round(seconds * 10))]
    late = round(decoded_after_s * 10)
    for index, loud in enumerate(steps):
        if index == late:
            driver._take(driver.session.apply(ticket, heard((text, 0.3, 0.9)), 0))
        driver.audio(0.1, loud)
    if late >= len(steps):
        driver._take(driver.session.apply(ticket, heard((text, 0.3, 0.9)), 0))
    driver.control(FrameKind.STOP)
    for final in driver.events(Final):
        ranges.append((final.utterance, final.text))
    while following := driver.session.begin():
        ranges.append((following.begin, following.end))
        driver._take(driver.session.apply(following, heard(("next", 0.1, 0.5)), 0))
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
    driver = Driver(LivePolicy(sentence_endpointing_ms=300))
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    ticket = driver.session.begin()
    assert ticket is not None
    driver.audio(0.1, loud=False)
    driver.control(FrameKind.FINALIZE)
    driver.audio(1, loud=True)
    driver.control(FrameKind.STOP)
    assert not driver.session.finished
    driver._take(driver.session.apply(ticket, heard(("Done.", 0.3, 0.9)), 0))
    assert [final.text for final in driver.events(Final)] == ["Done."]
    driver.decode(heard(("More.", 0.3, 0.9)))
    assert [final.text for final in driver.events(Final)] == ["Done.", "More."]
    assert driver.session.finished


def test_a_model_that_fails_does_not_hold_a_pause_for_ever() -> None:
    driver = Driver(LivePolicy(sentence_endpointing_ms=300))
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    ticket = driver.session.begin()
    assert ticket is not None
    driver.audio(0.4, loud=False)
    assert len(driver.events(SpeechEnded)) == 0
    driver._take(driver.session.fail(ticket, 0))
    assert len(driver.events(SpeechEnded)) == 1


def test_finalize_in_silence_says_nothing_and_loses_nothing() -> None:
    driver = Driver()
    driver.audio(1, loud=False)
    driver.control(FrameKind.FINALIZE)
    driver.audio(1, loud=True)
    driver.control(FrameKind.FINALIZE)
    driver.decode(heard(("one", 0.3, 0.9)))
    assert [final.utterance for final in driver.events(Final)] == [1]


def test_finalize_within_a_pause_uses_the_final_that_was_decoded_early() -> None:
    driver = Driver()
    driver.audio(1, loud=True)
    driver.audio(0.3, loud=False)
    driver.decode(heard(("one", 0.3, 0.9)))
    driver.control(FrameKind.FINALIZE)
    assert [final.text for final in driver.events(Final)] == ["one"]


def test_endless_speech_is_cut_in_a_pause_rather_than_where_it_is_quietest() -> None:
    """A plosive's closure is quieter than a pause in a noisy room; the voice model tells them apart."""
    policy = LivePolicy(max_utterance_ms=10_000, cut_look_back_ms=3_000)

    class Voice(LoudIsVoice):
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


@pytest.mark.parametrize(("kind", "texts"), [(FrameKind.IDLE, ["hello", "there"]), (FrameKind.FINALIZE, ["hello"])])
@pytest.mark.parametrize("pre_roll_ms", [0, 300])
def test_the_rest_of_a_word_counts_where_nobody_asked_for_the_cut(
    kind: FrameKind, texts: list[str], pre_roll_ms: int
) -> None:
    """So little voice behind a breath is no onset of speech; of a word that a stalled line cut in two it is the end."""
    driver = Driver(LivePolicy(pre_roll_ms=pre_roll_ms), interim_results=False)
    driver.audio(1, loud=True)
    driver.control(kind)
    driver.decode(heard(("hello", 0.3, 0.7)))
    driver.audio(0.1, loud=False)
    driver.session.feed(
        Frame(99, FrameKind.AUDIO, np.full(400, 5000, np.int16).tobytes(), FrameMeta(start_sample=17600)), 0
    )
    driver.seq, driver.position = 99, 18000
    driver.audio(1, loud=False)
    if driver.session.wish() is not None:
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
