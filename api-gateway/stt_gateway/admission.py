"""May a session begin? Only if somebody is there to take it."""

from redis.asyncio import Redis

from stt_gateway.core.health import AUDIO_PROCESSOR, TRANSCRIBER, free_places, is_ready
from stt_shared.bus.replicas import ReplicaStatus, living_replicas
from stt_shared.clock import monotonic_ms
from stt_shared.contracts.errors import SttError

FRESH_MS = 500.0
"""The list of replicas is read at most this often, however many clients knock."""


class Admission:
    """Refuses a session before any of its audio would wait for nobody."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._replicas: list[ReplicaStatus] = []
        self._read_ms = float("-inf")
        self._admitted = 0

    async def check(self) -> None:
        """Counts one more session. Raises SttError no_worker or at_capacity, and the errors of Redis."""
        now_ms = monotonic_ms()
        if now_ms - self._read_ms > FRESH_MS:
            self._replicas = await living_replicas(self._client)
            self._read_ms = now_ms
            self._admitted = 0
        for service in (AUDIO_PROCESSOR, TRANSCRIBER):
            if not is_ready(self._replicas, service):
                raise SttError("no_worker", f"no {service} is ready; try again shortly")
        # Replicas tell their load a moment late: those admitted since the list was read are not in it yet.
        if free_places(self._replicas, TRANSCRIBER) <= self._admitted:
            raise SttError("at_capacity", "all places for live sessions are taken; try again later")
        self._admitted += 1
