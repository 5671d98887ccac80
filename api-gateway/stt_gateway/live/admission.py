"""May a session begin? Only if somebody is there to take it."""

import asyncio

from redis.asyncio import Redis

from stt_gateway.core.operation.health import AUDIO_PROCESSOR, TRANSCRIBER, free_places, is_ready
from stt_gateway.core.requests.model_limits import check_model_can
from stt_gateway.live.detached import DetachedSessions
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import SessionConfig, Task
from stt_shared.process.clock import monotonic_ms
from stt_shared.streams import keys
from stt_shared.streams.sessions import SessionStreams
from stt_shared.work.heartbeat import ReplicaStatus, living_replicas

FRESH_MS = 500.0
"""The list of replicas is read at most this often, however many clients knock."""
STALE_MS = 2000.0
"""While a new one is read, one up to this old may refuse, but not admit."""


class Admission:
    """Refuses a session before any of its audio would wait for nobody."""

    def __init__(self, client: Redis, functions: SessionStreams, parking: DetachedSessions) -> None:
        self._client = client
        self._functions = functions
        self._parking = parking
        self._replicas: list[ReplicaStatus] = []
        self._read_ms = float("-inf")
        self._admitted = 0
        self._asked = False  # another gateway to make room, since the list was read
        self._reading = asyncio.Lock()

    async def check(self, config: SessionConfig) -> None:
        """Counts one more session; where places are short, a parked one gives way. Raises as ``look`` does."""
        await self.look(config)
        if not self._has_place and not await self._parking.displace_oldest():
            raise _full()
        self._admitted += 1

    async def look(self, config: SessionConfig) -> None:
        """Would a session be admitted now? Raises SttError no_worker, at_capacity or bad_config, and the errors of
        Redis."""
        if self._reading.locked() and monotonic_ms() - self._read_ms < STALE_MS:
            # Who is refused by what was known a moment ago need not wait in a crowd for what is being read. Who is not
            # must: when the list is new, counting begins anew.
            await self._judge(config)
        await self._read_replicas()
        await self._judge(config)

    @property
    def _has_place(self) -> bool:
        # Replicas tell their load a moment late: those admitted since the list was read are not in it yet.
        return free_places(self._replicas, TRANSCRIBER) > self._admitted

    async def _judge(self, config: SessionConfig) -> None:
        for service in (AUDIO_PROCESSOR, TRANSCRIBER):
            if not is_ready(self._replicas, service):
                raise SttError("no_worker", f"no {service} is ready; try again shortly")
        check_model_can(self._replicas, config.language, config.task)
        if not self._has_place and not self._parking:
            await self._ask_for_room()
            raise _full()

    async def _ask_for_room(self) -> None:
        """Asks the gateway with the oldest parked session to stop it, for whoever comes next."""
        holders = [replica for replica in self._replicas if replica.detail.get("parked")]
        if holders and not self._asked:
            self._asked = True
            oldest = min(holders, key=lambda replica: replica.detail["parked_since_ms"])
            await self._functions.publish(keys.gateway_displace(oldest.id), b"")

    async def check_file(self, language: str | None, task: Task) -> str:
        """Files may wait for a worker, but not for one that cannot do it. Answers the model that will, '' where none is
        there yet. Raises SttError bad_config."""
        await self._read_replicas()
        check_model_can(self._replicas, language, task)
        models = {str(r.detail.get("model", "")) for r in self._replicas if r.service == TRANSCRIBER}
        return models.pop() if len(models) == 1 else ""

    async def _read_replicas(self) -> None:
        # One at a time: of a crowd that finds the list old, each would begin to count afresh.
        async with self._reading:
            now_ms = monotonic_ms()
            if now_ms - self._read_ms > FRESH_MS:
                self._replicas = await living_replicas(self._client)
                self._read_ms = now_ms
                self._admitted = 0
                self._asked = False


def _full() -> SttError:
    return SttError("at_capacity", "all places for live sessions are taken; try again later")
