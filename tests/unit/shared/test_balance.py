"""Choice of the replicas between which a session moves, so that new replicas get some and no session wanders."""

import random

import pytest

from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work.balance import recipient

pytestmark = pytest.mark.unit


def replica(name: str, sessions: int, *, capacity: int = 10, state: str = "ready") -> ReplicaStatus:
    return ReplicaStatus(
        id=name, service="transcriber", state=state, started_ms=0, sessions=sessions, capacity=capacity
    )


def test_the_fullest_gives_to_the_emptiest() -> None:
    replicas = [replica("a", 3), replica("b", 2), replica("c", 0)]
    assert [recipient(each.id, replicas) for each in replicas] == ["c", None, None]


def test_a_difference_of_one_is_left_as_it_is() -> None:
    assert recipient("a", [replica("a", 2), replica("b", 1)]) is None


def test_of_equally_full_ones_only_one_gives() -> None:
    replicas = [replica("a", 3), replica("b", 3), replica("c", 0)]
    assert [recipient(each.id, replicas) for each in replicas] == [None, "c", None]


@pytest.mark.parametrize("other", [replica("b", 0, state="draining"), replica("b", 0, state="stalled")])
def test_who_is_not_ready_gets_nothing(other: ReplicaStatus) -> None:
    assert recipient("a", [replica("a", 5), other]) is None


def test_who_has_no_room_gets_nothing() -> None:
    assert recipient("a", [replica("a", 5), replica("b", 1, capacity=1)]) is None


def test_who_is_not_ready_itself_gives_nothing() -> None:
    assert recipient("a", [replica("a", 5, state="starting"), replica("b", 0)]) is None
    assert recipient("a", []) is None


@pytest.mark.parametrize("seed", range(20))
def test_moves_end_and_leave_all_level(seed: int) -> None:
    rng = random.Random(seed)
    sessions = {f"r{n}": rng.randrange(12) for n in range(rng.randrange(2, 8))}
    total, moves = sum(sessions.values()), 0
    while True:
        replicas = [replica(name, count, capacity=20) for name, count in sessions.items()]
        pairs = [(name, to) for name in sessions if (to := recipient(name, replicas)) is not None]
        if not pairs:
            break
        ((giver, getter),) = pairs
        sessions[giver] -= 1
        sessions[getter] += 1
        moves += 1
        assert moves <= total
    assert max(sessions.values()) - min(sessions.values()) <= 1
