"""Tasks for strangers' servers: nobody gets more than a share of them."""

import asyncio

import pytest

from stt_gateway.outbound.busy import BusyTasks

pytestmark = pytest.mark.unit


async def test_one_host_or_client_leaves_room_for_the_others() -> None:
    busy, release = BusyTasks(3, 2), asyncio.Event()

    async def work() -> None:
        await release.wait()

    for client in ("ann", "ben"):
        assert busy.may_begin("host slow", f"client {client}")
        busy.begin(work(), "host slow", f"client {client}")
    assert not busy.may_begin("host slow", "client cleo")
    assert busy.may_begin("host quick", "client ann")
    busy.begin(work(), "host quick", "client ann")
    assert not busy.may_begin("host other", "client ann")
    assert busy.room == 0
    waiting = asyncio.create_task(busy.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    release.set()
    await waiting
    await busy.close()
    assert busy.room == 3
    assert busy.may_begin("host slow", "client ann")
