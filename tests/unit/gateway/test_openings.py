"""Limit on new sessions of one client."""

import contextlib

import pytest

from stt_gateway.core.operation import client_buckets
from stt_gateway.live import openings
from stt_gateway.live.openings import OpeningLimit
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now_ms = [0.0]
    monkeypatch.setattr(openings, "monotonic_ms", lambda: now_ms[0])
    return now_ms


def opened(limit: OpeningLimit, client: str, tries: int) -> int:
    count = 0
    with contextlib.suppress(SttError):
        for _ in range(tries):
            limit.count(client)
            count += 1
    return count


def test_who_opens_too_many_sessions_a_minute_is_refused_and_nobody_else(clock: list[float]) -> None:
    limit = OpeningLimit(60)
    assert opened(limit, "churning", 100) == 60
    assert opened(limit, "other", 1) == 1
    clock[0] += 10_000
    assert opened(limit, "churning", 100) == 10


def test_no_limit(clock: list[float]) -> None:
    assert opened(OpeningLimit(0), "any", 10_000) == 10_000


def test_only_so_many_clients_are_remembered(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_buckets, "MAX_CLIENTS", 2)
    limit = OpeningLimit(1)
    assert [opened(limit, client, 2) for client in ("a", "b", "c")] == [1, 1, 1]
    assert opened(limit, "c", 1) == 0
    assert opened(limit, "a", 1) == 1, "forgotten"
