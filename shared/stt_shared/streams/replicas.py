"""Replicas of all services: those that live, their status and their metrics."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from stt_shared.streams import keys

QUARANTINE_TTL_S = 3600
"""Longer than the work of a dead replica waits for its successor."""


class ReplicaStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """Status that a replica reports. ``state``: starting, ready, draining, or stalled with ``reason``."""

    id: str
    service: str
    state: str
    started_ms: int
    sessions: int = 0
    capacity: int = 0
    reason: str = ""
    detail: dict[str, Any] = {}


_decode_status = msgspec.json.Decoder(ReplicaStatus).decode


class Replicas:
    """What the replicas' heartbeats report (work/heartbeat.py), and the work that each has on probation."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def living(self) -> list[ReplicaStatus]:
        """Return all replicas with a heartbeat, and delete the status of those that died without removing it."""
        entries: Any = await self._client.hgetall(keys.REPLICAS)
        if not entries:
            return []
        ids = list(entries)
        alive = await self._client.mget([keys.replica_alive(replica_id.decode()) for replica_id in ids])
        dead = [replica_id for replica_id, beat in zip(ids, alive, strict=True) if beat is None]
        if dead:
            await self._client.hdel(keys.REPLICAS, *dead)
        return [
            _decode_status(entries[replica_id]) for replica_id, beat in zip(ids, alive, strict=True) if beat is not None
        ]

    async def is_alive(self, replica_id: str) -> bool:
        """Return whether the replica has a heartbeat."""
        return bool(await self._client.exists(keys.replica_alive(replica_id)))

    async def quarantine(self, replica_id: str) -> set[str]:
        """Return the names of the work that the replica had on probation."""
        lines: Any = await self._client.get(keys.replica_quarantine(replica_id))
        return set((lines or b"").decode().splitlines())

    async def set_quarantine(self, replica_id: str, names: Collection[str]) -> None:
        """Store the names of the work that the replica has on probation. May be repeated."""
        key = keys.replica_quarantine(replica_id)
        if names:
            await self._client.set(key, "\n".join(sorted(names)), ex=QUARANTINE_TTL_S)
        else:
            await self._client.delete(key)

    async def metrics(self, replicas: Sequence[ReplicaStatus]) -> dict[str, bytes]:
        """Return Prometheus text by replica id."""
        if not replicas:
            return {}
        texts: Any = await self._client.mget([keys.replica_metrics(replica.id) for replica in replicas])
        return {replica.id: text for replica, text in zip(replicas, texts, strict=True) if text is not None}
