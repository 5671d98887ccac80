"""Clients that wait for a place: each counts once, until its time has come."""

import pytest

from stt_gateway.core.operation.waiting_clients import WaitingClients

pytestmark = pytest.mark.unit


def test_a_client_counts_until_it_is_expected() -> None:
    waiting = WaitingClients()
    waiting.tell(10.0, 3.0)
    waiting.tell(10.0, 1.0)
    assert [waiting.count(now_s) for now_s in (10.0, 10.9, 11.0, 12.9, 13.0)] == [2, 2, 1, 1, 0]


def test_a_client_that_keeps_returning_counts_once() -> None:
    waiting = WaitingClients()
    for returned in range(1000):
        waiting.tell(float(returned), 1.0)
        assert waiting.count(returned + 0.5) == 1
