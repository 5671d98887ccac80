"""A transcriber that takes over says just what the one before would have said, wherever that was killed."""

import copy
import functools
from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as replaced
from support.random_speech import SlowEar, judged, recording, spoken
from support.takeover_runs import Case, Kept, answer, cold, killed_often, run

from stt_shared.contracts.events import Final
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import Endpointing, SessionConfig, TakeoverState, VocabularyUpdate
from stt_transcriber.core.live.outcome import Advance
from stt_transcriber.core.live.policy import LivePolicy, TurnPolicy
from stt_transcriber.core.live.session import LiveSession

pytestmark = pytest.mark.unit


@functools.cache
def case_of(seed: int) -> Case:
    draw = np.random.default_rng(seed)
    turn = TurnPolicy(has_model=bool(draw.choice([False, True])), early_after_ms=[0, 2_000, 10_000][seed % 3])
    policy = LivePolicy(
        max_utterance_ms=int(draw.choice([4_000, 10_000, 28_000])),
        cut_look_back_ms=int(draw.choice([1_000, 3_000])),
        turn=turn,
        pre_roll_ms=int(draw.choice([0, 300, 900])),
        acoustic_context_ms=[5_000, 700, 5_000, 0][seed // 4 % 4],
        idle_commit_ms=int(draw.choice([100, 1_000])),
    )
    config = SessionConfig(
        language=None if draw.random() < 0.5 else "en",
        endpointing=Endpointing.FIXED if seed % 4 == 3 else Endpointing.AUTO,
        endpointing_ms=int(draw.choice([100, 300, 500, 1000])),
        interim_results=bool(draw.random() < 0.8),
        prompt="names",
    )
    levels = [0.0, 0.02, 0.05, 0.15, 0.3] if seed % 2 else [0.0, 0.05, 0.15, 0.3, 0.3, 0.3]  # some hardly pause
    return Case(
        config, policy, recording(draw, 30, float(draw.choice([0.0, 0.01, 0.1])), levels), SlowEar, spoken, judged
    )


@functools.cache
def undisturbed(seed: int) -> Kept:
    kept = Kept()
    assert run(case_of(seed), kept, np.random.default_rng([seed, 1]))
    return kept


SEEDS = range(24)


def test_finals_are_the_same_however_often_a_worker_is_killed() -> None:
    kills, finals = 0, 0
    for seed in SEEDS:
        case = case_of(seed)
        expected = undisturbed(seed).comparable()
        draw = np.random.default_rng([seed, 2])
        for _ in range(2):
            kept, killed = killed_often(case, draw)
            assert kept.comparable() == expected, f"seed {seed}"
            kills += killed
        finals += len(expected)
    assert kills > 500
    assert finals > 150


def test_without_the_stored_state_finals_differ() -> None:
    """Else the test above would prove nothing."""
    different = 0
    for seed in SEEDS:
        case = case_of(seed)
        kept, _ = killed_often(case, np.random.default_rng([seed, 2]), cold)
        different += kept.comparable() != undisturbed(seed).comparable()
    assert different > len(SEEDS) // 4


def deaf(at: Advance) -> Advance:
    """As if what was said last were not stored."""
    return replace(at, context=replaced(at.context, acoustic_context=None))


def test_without_what_was_said_last_finals_differ() -> None:
    different = 0
    for seed in SEEDS[:12]:
        kept, _ = killed_often(case_of(seed), np.random.default_rng([seed, 2]), deaf)
        different += kept.comparable() != undisturbed(seed).comparable()
    assert different > 4


def configured(seed: int) -> Case:
    """The same recording with other words now and then."""
    case, draw = case_of(seed), np.random.default_rng([seed, 4])
    frames: list[Frame] = []
    at = 0
    for frame in case.frames:
        for _ in range(int(draw.integers(1, 3)) if draw.random() < 0.03 else 0):
            replacements = {f"w{i}": f"r{draw.integers(9)} x" for i in range(0, 500, int(draw.integers(2, 9)))}
            update = VocabularyUpdate(
                (f"k{draw.integers(99)}",) if draw.random() < 0.7 else None,
                replacements if draw.random() < 0.7 else None,
            )
            meta = FrameMeta(start_sample=at, vocabulary=update)
            frames.append(Frame(len(frames) + 1, FrameKind.CONFIGURE, meta=meta))
        frames.append(replaced(frame, seq=len(frames) + 1))
        at += len(frame.data) // 2
    return replace(case, frames=frames)


def forgetful(at: Advance) -> Advance:
    """As if the vocabularies were not stored."""
    return replace(at, context=replaced(at.context, vocabularies=()))


def test_words_that_change_meanwhile_are_the_same_for_a_successor() -> None:
    different = 0
    for seed in SEEDS[:12]:
        case, expected = configured(seed), Kept()
        assert run(case, expected, np.random.default_rng([seed, 5]))
        kept, _ = killed_often(case, np.random.default_rng([seed, 6]))
        assert kept.comparable() == expected.comparable(), f"seed {seed}"
        kept, _ = killed_often(case, np.random.default_rng([seed, 6]), forgetful)
        different += kept.comparable() != expected.comparable()
    assert different > 6, "else this would prove nothing"


def test_a_session_that_was_lost_with_redis_passes_over_what_the_client_knows_already() -> None:
    """The log of a recording that is sent again must not fill with what needs no transcription."""
    case = case_of(0)
    at = Advance(5 * 16000, 0, TakeoverState())
    session = LiveSession("s", case.config, case.policy, SlowEar(), committed_samples=at.samples, finals=2)
    steps: list[Advance] = []
    finals: list[Final] = []
    for frame in case.frames:
        session.feed(frame, 0)
        while ticket := session.begin():
            answer(case, session, ticket)
        outcomes = session.take_outcomes()
        steps += [outcome.advance for outcome in outcomes if outcome.advance]
        finals += [outcome.event for outcome in outcomes if isinstance(outcome.event, Final)]
        log = frame.seq - (steps[-1].seq if steps else 0)
        is_settled = frame.kind is FrameKind.AUDIO and frame.meta.start_sample + len(frame.data) // 2 <= at.samples
        assert not is_settled or log <= 11
    assert session.finished
    assert all(step.samples >= at.samples for step in steps)
    assert [final.utterance for final in finals] == list(range(3, 3 + len(finals)))
    assert finals[0].start_ms >= 5000


def test_a_stop_that_nobody_answered_is_answered_by_the_successor() -> None:
    kept = copy.deepcopy(undisturbed(1))
    assert run(case_of(1), kept, np.random.default_rng(3))
    assert kept.comparable() == undisturbed(1).comparable()
