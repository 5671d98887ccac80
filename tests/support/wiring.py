"""The bus as tests wire it, on a client of their own."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from stt_shared.redis.channels import ChannelHub
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import StreamKeys
from stt_shared.work.stage import SESSIONS, Assignment, StageWorker


def bus_on(client: Redis, replica_id: str = "test") -> Bus:
    """A bus that writes and reads logs; its channels are not open, so it hears nothing."""
    return Bus(client, ChannelHub(client, keys.replica_channel(replica_id)))


@contextlib.asynccontextmanager
async def open_bus(client: Redis, replica_id: str = "test") -> AsyncIterator[Bus]:
    """A bus with open channels."""
    bus = bus_on(client, replica_id)
    async with bus.channels:
        yield bus


async def read_state(client: Redis, at: StreamKeys) -> dict[bytes, bytes]:
    """The session's or job's hash as it is in Redis."""
    fields: Any = await client.hgetall(at.state)
    return dict(fields)


def session_stage(
    bus: Bus,
    handle: Callable[[Assignment], Awaitable[None]],
    *,
    stage: str = keys.STAGE_TRANSCRIBER,
    replica_id: str = "r1",
    capacity: int = 4,
    deletes: bool = True,
) -> StageWorker:
    """A worker of one stage of sessions; it takes none before its ``run``."""
    return StageWorker(
        bus, SESSIONS, stage=stage, replica_id=replica_id, capacity=capacity, handle=handle, deletes=deletes
    )
