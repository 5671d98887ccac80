"""The skeleton of a service: what a replica reports of itself, and how a process ends."""

import asyncio

import pytest

from stt_shared.contracts.services import ServiceName
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.work import service
from stt_shared.work.service import Figures, ReplicaState, Workers, run_process

pytestmark = pytest.mark.unit


class Broken(Exception):
    pass


async def raises(error: Exception) -> None:
    raise error


def state_of(replica: ReplicaState) -> tuple[str, str]:
    status = replica.status()
    return status.state, status.reason


def test_a_replica_starts_serves_stalls_and_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    replica = ReplicaState(ServiceName.TRANSCRIBER, lambda: Figures(sessions=2, capacity=3, detail={"model": "tiny"}))
    replica.starting = "loading the model"
    assert state_of(replica) == ("starting", "loading the model")
    replica.starting = ""
    assert state_of(replica) == ("ready", "")
    status = replica.status()
    assert (status.service, status.sessions, status.capacity, status.detail) == ("transcriber", 2, 3, {"model": "tiny"})
    assert status.id.startswith("transcriber-")
    replica.is_draining = True
    assert state_of(replica) == ("draining", "stopping")
    replica.figures = lambda: Figures(stall="a decode has been running for 60 s")
    assert state_of(replica) == ("stalled", "a decode has been running for 60 s")
    monkeypatch.setattr(type(replica.loop_monitor), "blocked_s", 7.0)
    assert state_of(replica) == ("stalled", "the event loop has stood still for 7 s")


@pytest.mark.parametrize("error", [UNREACHABLE[0]("refused"), Broken("no model")], ids=["redis", "fatal"])
def test_a_process_that_cannot_run_exits_with_one_line(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        run_process(raises(error), fatal=(Broken,))
    assert exit.value.code == 1
    assert capsys.readouterr().err == f"error: {error}\n"


def test_any_other_error_is_a_traceback() -> None:
    with pytest.raises(Broken):
        run_process(raises(Broken("a bug")))


async def test_work_is_handed_over_once_nothing_more_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    stop = asyncio.Event()

    async def take() -> None:
        steps.append("take")
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("end")

    async def hand_over() -> None:
        steps.append("hand over")

    replica = ReplicaState(ServiceName.AUDIO_PROCESSOR)
    await service._work(Workers({"sessions": take()}, hand_over, dict), stop, replica)
    assert steps == ["take", "end", "hand over"]
    assert replica.is_draining


async def test_an_intake_that_fails_ends_the_replica_after_its_work_is_handed_over() -> None:
    steps: list[str] = []

    async def hand_over() -> None:
        steps.append("hand over")

    workers = Workers({"sessions": raises(Broken("a bug"))}, hand_over, dict)
    with pytest.raises(Broken):
        await service._work(workers, asyncio.Event(), ReplicaState(ServiceName.AUDIO_PROCESSOR))
    assert steps == ["hand over"]
