"""Admission of sessions while the list of replicas is being read."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stt_gateway.live import admission
from stt_gateway.live.admission import Admission
from stt_gateway.live.attached import AttachedSessions
from stt_gateway.live.detached import DetachedSessions
from stt_gateway.live.openings import OpeningLimit
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import SessionConfig
from stt_shared.streams.replicas import ReplicaStatus

pytestmark = pytest.mark.unit


class Replicas:
    """A list that takes as long to be read as a test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 0
        self.answers = asyncio.Event()
        self.answers.set()
        self.reads = 0
        self.gateways = 1
        self.work = "all"
        monkeypatch.setattr(admission, "FRESH_MS", -1.0)

    async def living(self) -> list[ReplicaStatus]:
        self.reads += 1
        await self.answers.wait()
        return [
            ReplicaStatus(service, service, "ready", 0, capacity=self.free, detail=detail)
            for service, detail in (("audio-processor", {}), ("transcriber", {"work": self.work}))
        ] + [
            ReplicaStatus(id=f"gateway-{number}", service="gateway", state="ready", started_ms=0)
            for number in range(self.gateways)
        ]


@pytest.fixture
def replicas(monkeypatch: pytest.MonkeyPatch) -> Replicas:
    return Replicas(monkeypatch)


async def no_limit() -> dict[str, int]:
    """What a Redis without ``maxmemory`` reports."""
    return {}


def door(replicas: Replicas) -> Admission:
    bus = cast(Any, SimpleNamespace(replicas=replicas, memory_info=no_limit))
    return Admission(bus, DetachedSessions(150), AttachedSessions(), OpeningLimit(0))


async def knocks(at: Admission) -> str:
    try:
        await at.admit(SessionConfig(), "client")
    except SttError as error:
        return error.code
    return "admitted"


async def reading(at: Admission, replicas: Replicas) -> "asyncio.Task[str]":
    """Somebody who waits for the list."""
    replicas.answers.clear()
    task = asyncio.create_task(knocks(at))
    await asyncio.sleep(0)
    assert replicas.reads == 2
    return task


async def test_who_is_refused_does_not_wait_for_a_newer_list(replicas: Replicas) -> None:
    at = door(replicas)
    assert await knocks(at) == "at_capacity"
    first = await reading(at, replicas)
    async with asyncio.timeout(1):
        assert [await knocks(at) for _ in range(100)] == ["at_capacity"] * 100
    assert replicas.reads == 2
    replicas.free = 1
    replicas.answers.set()
    assert await first == "admitted"


@pytest.mark.parametrize(
    ("work", "live", "file"),
    [("files", "no_worker", ""), ("live", "admitted", "no_worker"), ("all", "admitted", "")],
)
async def test_transcribers_that_do_other_work_do_not_count(
    replicas: Replicas, work: str, live: str, file: str
) -> None:
    replicas.free, replicas.work = 1, work
    at = door(replicas)
    assert await knocks(at) == live
    with contextlib.suppress(SttError) if file else contextlib.nullcontext():
        await at.check_workers()
        assert not file


async def test_who_would_be_admitted_does(replicas: Replicas) -> None:
    replicas.free = 1
    at = door(replicas)
    await at.check(SessionConfig(), "client")
    first = await reading(at, replicas)
    second = asyncio.create_task(knocks(at))
    await asyncio.sleep(0.01)
    assert not second.done()
    replicas.free = 0
    replicas.answers.set()
    assert [await first, await second] == ["at_capacity"] * 2


async def test_an_old_list_refuses_nobody(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    at = door(replicas)
    assert await knocks(at) == "at_capacity"
    monkeypatch.setattr(admission, "STALE_MS", 0.0)
    replicas.free = 2
    first = await reading(at, replicas)
    second = asyncio.create_task(knocks(at))
    await asyncio.sleep(0.01)
    assert not second.done()
    replicas.answers.set()
    assert [await first, await second] == ["admitted"] * 2


async def test_looking_takes_no_place(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "FRESH_MS", 60_000.0)
    replicas.free = 1
    at = door(replicas)
    for _ in range(3):
        await at.check(SessionConfig(), "client")
    assert [await knocks(at), await knocks(at)] == ["admitted", "at_capacity"]


async def test_a_session_counts_until_the_list_can_hold_it(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ms = [1000.0]
    monkeypatch.setattr(admission, "monotonic_ms", lambda: now_ms[0])
    replicas.free = 2
    at = door(replicas)
    assert await knocks(at) == "admitted"
    now_ms[0] += 100
    assert [await knocks(at), await knocks(at)] == ["admitted", "at_capacity"], "the list is new, the report is not"
    now_ms[0] += admission.UNREPORTED_MS + 1
    assert await knocks(at) == "admitted", "if they did not appear, they have ended"


async def test_a_crowd_at_several_gateways_does_not_take_the_same_places(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "TURN_RETRY_MS", 1.0)
    monkeypatch.setattr(admission, "UNREPORTED_MS", 60_000.0)
    replicas.free, replicas.gateways = 7, 2
    at = door(replicas)
    assert [await knocks(at) for _ in range(4)] == ["admitted"] * 4
    waiting = asyncio.create_task(knocks(at))
    await asyncio.sleep(0.05)
    assert not waiting.done(), "the rest is left to the other gateway until it has been seen what that admits"
    replicas.free = 10
    assert await waiting == "admitted"


async def test_a_client_waits_for_its_gateways_turn_only_for_a_while(
    replicas: Replicas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "TURN_RETRY_MS", 1.0)
    monkeypatch.setattr(admission, "TURN_MS", 20.0)
    replicas.free, replicas.gateways = 3, 2
    at = door(replicas)
    assert [await knocks(at) for _ in range(4)] == ["admitted"] * 3 + ["at_capacity"]
