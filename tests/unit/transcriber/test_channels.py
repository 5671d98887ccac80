"""Channels that are kept apart in a live session: each is heard as it would be alone, and the finals of all have one
order, which nothing but the audio decides."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as replaced
from support.fake_vad import LoudnessVad
from support.live_driver import heard, steadily
from support.random_speech import SlowEar, judged, recording, spoken
from support.takeover_runs import Case, Draw, Kept, channel_of, killed_often, run

from stt_shared.contracts.events import Configured, Event, Final, Finalized, Gap, Partial, SpeechEnded, SpeechStarted
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import (
    ChannelMode,
    Endpointing,
    SessionConfig,
    TakeoverState,
    VocabularyUpdate,
    encode_json,
)
from stt_transcriber.core.decoding import Hypothesis
from stt_transcriber.core.live import channels
from stt_transcriber.core.live.channels import ChannelSessions
from stt_transcriber.core.live.outcome import Advance, Outcome
from stt_transcriber.core.live.policy import LivePolicy, TurnPolicy
from stt_transcriber.core.live.utterance import Ticket
from stt_transcriber.core.schedule.scheduler import Kind

pytestmark = pytest.mark.unit

APART = ChannelMode.SEPARATE
START = Advance(0, 0, TakeoverState())


class Call:
    """Feeds a session of several channels 100 ms at a time and keeps what it says."""

    def __init__(self, channels: int = 2, policy: LivePolicy | None = None, **config: object) -> None:
        self.config = SessionConfig(channels=channels, channel_mode=APART, **config)  # type: ignore[arg-type]
        self.session = ChannelSessions(
            "s", self.config, policy or LivePolicy(), LoudnessVad, committed=START, finals=0, showing=()
        )
        self.seq = 0
        self.position = 0
        self.outcomes: list[Outcome] = []

    def audio(self, seconds: float, *loud: bool) -> None:
        for _ in range(round(seconds * 10)):
            samples = np.tile(np.array([5000 if each else 0 for each in loud], np.int16), 1600)
            self.seq += 1
            meta = FrameMeta(start_sample=self.position, channels=self.config.channels_apart)
            self.position += 1600
            self.feed(Frame(self.seq, FrameKind.AUDIO, samples.tobytes(), meta))

    def control(self, kind: FrameKind, vocabulary: VocabularyUpdate | None = None) -> None:
        self.seq += 1
        self.feed(Frame(self.seq, kind, meta=FrameMeta(start_sample=self.position, vocabulary=vocabulary)))

    def feed(self, frame: Frame) -> None:
        self.session.feed(frame, 0)
        self.outcomes += self.session.take_outcomes()

    def begin(self) -> Ticket:
        ticket = self.session.begin()
        assert ticket is not None
        return ticket

    def apply(self, hypothesis: Hypothesis) -> None:
        self.session.apply(hypothesis, 0)
        self.outcomes += self.session.take_outcomes()

    def decode(self, word: str) -> Ticket:
        """The model hears this word and others after it, one each half second."""
        ticket = self.begin()
        self.apply(heard(*steadily((ticket.end - ticket.begin) / 16000, word)))
        return ticket

    def apply_to(self, channel: int, text: str) -> None:
        """The model hears this text, over all that there is of the channel."""
        ticket = self.begin()
        assert ticket.utterance is self.session._channels[channel].session._segmenter.open
        words, seconds = text.split(), (ticket.end - ticket.begin) / 16000
        each = seconds / len(words)
        self.apply(heard(*((word, at * each, (at + 1) * each) for at, word in enumerate(words))))

    def events(self, *kinds: type) -> list[Event]:
        return [outcome.event for outcome in self.outcomes if isinstance(outcome.event, kinds)]

    def finals(self) -> list[tuple[int, int | None, str]]:
        return [(event.utterance, channel_of(event), event.words[0].word) for event in self.events(Final)]  # type: ignore[union-attr]


def test_two_who_talk_at_once_have_partials_side_by_side_and_a_final_each() -> None:
    call = Call()
    call.audio(1, True, True)
    assert call.session.due_decode() is Kind.FIRST
    call.decode("one")
    call.decode("two")
    assert [(channel_of(event), event.text) for event in call.events(Partial)] == [(0, "one one1"), (1, "two two1")]
    call.audio(1, True, True)
    for _ in range(4):
        call.audio(0.1, True, True)
        call.decode("more")
    newest = {channel_of(event): event for event in call.events(Partial)}
    assert {channel: event.utterance for channel, event in newest.items()} == {0: 1, 1: 1}, "they take turns"
    call.control(FrameKind.STOP)
    call.decode("one")
    assert not call.session.finished
    call.decode("two")
    assert call.finals() == [(1, 0, "one"), (2, 1, "two")]
    assert call.session.finished
    done = call.session.done({})
    assert (done.finals, done.duration_ms) == (2, 2400)
    assert done.text.startswith("one one1")
    assert " two two1" in done.text


def test_a_short_answer_does_not_wait_for_the_end_of_a_long_speech() -> None:
    call = Call(interim_results=False)
    call.audio(1, True, False)
    call.audio(1, True, True)
    call.audio(0.6, True, False)
    call.decode("yes")
    assert call.finals() == [(1, 1, "yes")], "the long speech can only end later"
    call.audio(2, True, False)
    call.audio(0.6, False, False)
    call.decode("speech")
    assert call.finals() == [(1, 1, "yes"), (2, 0, "speech")]


def test_the_earlier_of_two_ends_is_decoded_first() -> None:
    call = Call(interim_results=False)
    call.session.speculates = False
    call.audio(1, True, True)
    call.audio(0.2, True, False)
    call.audio(0.2, False, False)
    call.control(FrameKind.FINALIZE)
    (*before, finalized) = call.events(SpeechEnded, Finalized)
    assert [type(event) for event in before] == [SpeechEnded, SpeechEnded], "of both channels"
    assert isinstance(finalized, Finalized)
    assert channel_of(finalized) is None
    call.decode("second")
    assert call.finals() == [(1, 1, "second")]
    call.decode("first")
    assert call.finals()[1:] == [(2, 0, "first")]


def test_a_final_waits_for_a_pause_that_may_be_an_earlier_end() -> None:
    call = Call(interim_results=False, endpointing=Endpointing.AUTO, endpointing_ms=500, endpointing_max_ms=1200)
    call.audio(1, True, True)
    call.audio(0.3, True, False)
    call.apply_to(1, "and then,")
    call.audio(0.6, False, False)
    call.apply_to(0, "That is all.")
    assert not call.finals(), "the other one may have finished before, which a longer silence will tell"
    call.audio(0.6, False, False)
    assert call.finals() == [(1, 1, "and"), (2, 0, "That")]


def test_what_ends_earlier_comes_first_though_it_is_decoded_later() -> None:
    call = Call(interim_results=False, endpointing_ms=1000)
    call.audio(1, True, True)
    call.audio(0.3, False, True)
    ticket = call.begin()  # ahead of time, in the first one's pause
    call.audio(0.3, False, True)
    call.audio(0.5, False, False)
    call.apply(heard(*steadily(1.3, "first")))
    assert ticket.kind is Kind.FINAL
    call.decode("second")
    assert [text for *_, text in call.finals()] == ["first"]
    call.audio(1, False, False)
    assert call.finals() == [(1, 0, "first"), (2, 1, "second")]


def test_the_wait_for_a_speech_that_may_be_cut_is_bounded() -> None:
    """Only the last seconds before the longest utterance may be cut off."""
    call = Call(policy=LivePolicy(max_utterance_ms=10_000, cut_look_back_ms=3_000), interim_results=False)
    call.audio(8, True, False)
    call.audio(0.5, True, True)
    call.audio(0.6, True, False)
    call.decode("yes")
    assert not call.finals(), "the cut may lie before this"
    call.audio(1.2, True, False)
    assert not call.events(Final)
    call.decode("long")
    assert {channel for _, channel, _ in call.finals()} == {0, 1}


def test_a_silent_channel_costs_no_decode_and_holds_nothing_up() -> None:
    call = Call(3)
    call.audio(2, False, True, False)
    tickets = [call.decode("a")]
    call.audio(1, False, False, False)
    while call.session.due_decode() is not None:
        tickets.append(call.decode("a"))
    assert {channel_of(event) for event in call.events(Partial, Final, SpeechStarted, SpeechEnded)} == {1}
    assert len(call.finals()) == 1
    begin = len(call.outcomes)
    call.audio(10, False, False, False)
    commits = call.outcomes[begin:]
    assert 8 <= len(commits) <= 12, "one a second for all channels together"
    assert all(outcome.event is None and outcome.advance is not None for outcome in commits)
    assert commits[-1].advance is not None
    assert commits[-1].advance.samples > call.position - 2 * 16000


def test_the_committed_position_is_that_of_the_channel_furthest_behind() -> None:
    call = Call(interim_results=False)
    call.audio(1, True, True)
    call.audio(1, False, True)
    call.decode("first")
    (final,) = call.events(Final)
    assert isinstance(final, Final)
    assert final.committed_ms == 0, "the other one began to speak at once"
    state = call.outcomes[-1].advance
    assert state is not None
    assert (state.samples, state.seq) == (0, 0)
    assert [channel.samples > 0 for channel in state.context.channels] == [True, False]


def test_a_gap_says_on_which_channel() -> None:
    call = Call(interim_results=False)
    call.audio(2, False, True)
    call.audio(1, False, False)
    while call.session.due_decode() is not None:
        call.begin()
        call.session.fail(0)
        call.outcomes += call.session.take_outcomes()
    (gap,) = call.events(Gap)
    assert channel_of(gap) == 1


def test_a_change_of_the_words_is_answered_once_and_stored_once() -> None:
    call = Call(4)
    call.audio(1, False, False, False, False)
    call.control(FrameKind.CONFIGURE, VocabularyUpdate(("k" * 90,)))
    call.audio(5, False, False, False, False)
    (configured,) = call.events(Configured)
    assert channel_of(configured) is None
    state = call.outcomes[-1].advance
    assert state is not None
    assert encode_json(state.context).count(b"k" * 90) == 1
    assert [channel.vocabularies for channel in state.context.channels] == [(0,)] * 4


def test_the_state_of_eight_channels_is_small() -> None:
    class Memory(LoudnessVad):
        def state(self) -> bytes:
            return bytes(1300)

    config = SessionConfig(channels=8, channel_mode=APART)
    session = ChannelSessions("s", config, LivePolicy(), Memory, committed=START, finals=0, showing=())
    for seq in range(1, 100):
        samples = np.zeros((1600, 8), np.int16)
        session.feed(Frame(seq, FrameKind.AUDIO, samples.tobytes(), FrameMeta(start_sample=1600 * (seq - 1))), 0)
    *_, last = session.take_outcomes()
    assert last.advance is not None
    assert len(encode_json(last.advance.context)) < 20_000


# Takeovers, as in test_checkpoint.py.


def joined(one: list[Frame], other: list[Frame], draw: Draw) -> list[Frame]:
    """Two recordings as the channels of one, with the control frames of the first."""
    of_other = np.frombuffer(b"".join(frame.data for frame in other), np.int16)
    frames = []
    for frame in one:
        if frame.kind is FrameKind.AUDIO:
            samples = np.frombuffer(frame.data, np.int16)
            at = frame.meta.start_sample
            second = np.zeros_like(samples)
            there = of_other[at : at + len(samples)]
            second[: len(there)] = there
            data = np.stack([samples, second], 1).tobytes()
            frames.append(replaced(frame, data=data, meta=replaced(frame.meta, channels=(0, 1))))
        else:
            frames.append(frame)
    return frames


@functools.cache
def case_of(seed: int) -> Case:
    draw = np.random.default_rng([seed, 7])
    policy = LivePolicy(
        max_utterance_ms=int(draw.choice([4_000, 10_000])),
        cut_look_back_ms=int(draw.choice([1_000, 3_000])),
        turn=TurnPolicy(has_model=bool(draw.choice([False, True])), early_after_ms=[0, 2_000, 10_000][seed % 3]),
        idle_commit_ms=int(draw.choice([100, 1_000])),
    )
    config = SessionConfig(
        language=None if draw.random() < 0.5 else "en",
        endpointing=Endpointing.FIXED if seed % 4 == 3 else Endpointing.AUTO,
        endpointing_ms=int(draw.choice([100, 300])),
        endpointing_max_ms=int(draw.choice([1500, 4000])),
        interim_results=bool(draw.random() < 0.8),
        channels=2,
        channel_mode=APART,
    )
    levels = [0.0, 0.0, 0.0, 0.3, 0.3] if seed % 2 else [0.0, 0.05, 0.15, 0.3, 0.3, 0.3]
    controls = float(draw.choice([0.0, 0.01, 0.1]))
    frames = joined(recording(draw, 20, controls, levels), recording(draw, 20, 0.0, levels), draw)
    return Case(config, policy, frames, SlowEar, spoken, judged)


@functools.cache
def undisturbed(seed: int) -> Kept:
    kept = Kept()
    assert run(case_of(seed), kept, np.random.default_rng([seed, 1]))
    return kept


SEEDS = range(12)


def of_channel(case: Case, channel: int) -> Case:
    """The same channel as the only one."""
    frames = []
    for frame in case.frames:
        samples = np.frombuffer(frame.data, np.int16).reshape(-1, 2)[:, channel]
        frames.append(replaced(frame, data=samples.tobytes(), meta=replaced(frame.meta, channels=())))
    return replace(case, frames=frames, config=replaced(case.config, channels=1, channel_mode=ChannelMode.MIX))


def test_each_channel_says_what_it_says_alone() -> None:
    both = 0
    for seed in SEEDS[:6]:
        said = undisturbed(seed).comparable()
        assert [final["utterance"] for final in said] == list(range(1, len(said) + 1))
        for channel in (0, 1):
            alone = Kept()
            assert run(of_channel(case_of(seed), channel), alone, np.random.default_rng([seed, 3]))
            ours = [final for final in said if final["channel"] == channel]
            changes = {"utterance": 0, "channel": None}
            assert [final | changes for final in ours] == [final | changes for final in alone.comparable()]
            both += bool(ours)
    assert both >= 10


def test_finals_and_their_numbers_are_the_same_however_often_a_worker_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And whichever decode is taken to be the most urgent one."""
    kills, finals, any_order = 0, 0, np.random.default_rng(3)
    for seed in SEEDS:
        expected = undisturbed(seed).comparable()
        with monkeypatch.context() as patch:
            patch.setattr(channels, "_urgency", lambda _: (any_order.random(),))
            kept, killed = killed_often(case_of(seed), np.random.default_rng([seed, 2]))
        assert kept.comparable() == expected, f"seed {seed}"
        kills += killed
        finals += len(expected)
    assert kills > 150
    assert finals > 80


def cold_channels(at: Advance) -> Advance:
    """As if the state of each channel's voice model and gate was not stored."""
    cold = [replaced(each, state=replaced(each.state, hearing=None)) for each in at.context.channels]
    return replace(at, context=replaced(at.context, channels=tuple(cold)))


def test_without_the_state_of_each_channel_finals_differ() -> None:
    """Else the test above would prove nothing."""
    different = 0
    for seed in SEEDS[:6]:
        kept, _ = killed_often(case_of(seed), np.random.default_rng([seed, 2]), cold_channels)
        different += kept.comparable() != undisturbed(seed).comparable()
    assert different > 3


def test_words_that_change_meanwhile_are_the_same_for_a_successor() -> None:
    for seed in SEEDS[:4]:
        case, draw = case_of(seed), np.random.default_rng([seed, 4])
        frames: list[Frame] = []
        for frame in case.frames:
            if draw.random() < 0.05:
                update = VocabularyUpdate((f"k{draw.integers(99)}",))
                meta = FrameMeta(start_sample=frame.meta.start_sample, vocabulary=update)
                if frame.kind is FrameKind.AUDIO:
                    frames.append(Frame(len(frames) + 1, FrameKind.CONFIGURE, meta=meta))
            frames.append(replaced(frame, seq=len(frames) + 1))
        changed, expected = replace(case, frames=frames), Kept()
        assert run(changed, expected, np.random.default_rng([seed, 5]))
        kept, _ = killed_often(changed, np.random.default_rng([seed, 6]))
        assert kept.comparable() == expected.comparable(), f"seed {seed}"
