"""Admission control: a session may begin only if workers can serve it."""

import asyncio
import contextlib
from collections.abc import Sequence

from stt_gateway.core.operation.health import (
    REFUSING_SHARE,
    all_places,
    free_places,
    is_ready,
    places_of_one_gateway,
    used_share,
    working_on,
)
from stt_gateway.core.requests.model_limits import check_model_can, check_speakers
from stt_gateway.live.attached import AttachedSessions
from stt_gateway.live.detached import DetachedSessions
from stt_gateway.live.openings import OpeningLimit
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.services import ServiceName, TranscriberWork
from stt_shared.contracts.session import MAX_UTTERANCE_S, SessionConfig, Task
from stt_shared.process.clock import monotonic_ms
from stt_shared.redis.outage import REDIS_ERRORS
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.replicas import ReplicaStatus

FRESH_MS = 500.0
"""Minimum interval between reads of the list of replicas, however many clients connect."""
TURN_MS = 3000.0
"""Longest wait of a client until this gateway may admit more sessions."""
TURN_RETRY_MS = 50.0
UNREPORTED_MS = 300.0
"""Time from a session's admission until the list of replicas holds it: it is taken at once and reported with the next
heartbeat."""
STALE_MS = 2000.0
"""Maximum age at which a list may still refuse clients, but not admit them, while a new one is being read."""


class NoPlaceError(SttError):
    """No replica can take this now; more replicas could."""


class Admission:
    """Admission check for new sessions, before their audio would wait for workers that do not exist."""

    def __init__(
        self, bus: Bus, detached: DetachedSessions, attached: AttachedSessions, openings: OpeningLimit
    ) -> None:
        self._bus = bus
        self._detached = detached
        self._attached = attached
        self._openings = openings
        self._replicas: list[ReplicaStatus] = []
        self._used_share = 0.0
        self._read_ms = float("-inf")
        self._admitted: list[float] = []  # times of the sessions that the list cannot hold yet
        self._has_asked = False  # whether another gateway was asked to make room since the list was read
        self._reading = asyncio.Lock()

    async def admit(self, config: SessionConfig, client: str) -> None:
        """Admit and count one more session of a ``client``, a network address.

        If no place is free, a detached session is stopped, or a session that has to give its place to this client
        (core/live/fairness.py). Raises what ``check`` raises.
        """
        await self.check(config, client)
        self._openings.count(client)
        await self._wait_for_turn()
        if not (
            self._has_place
            or await self._detached.displace_oldest()
            or self._attached.displace(client, all_places(self._replicas, ServiceName.TRANSCRIBER))
        ):
            raise _full()
        self._admitted.append(monotonic_ms())

    async def check(self, config: SessionConfig, client: str) -> None:
        """Check whether a session would be admitted, without counting it.

        Raises SttError no_worker, at_capacity, unavailable or bad_config, and Redis errors.
        """
        if self._reading.locked() and monotonic_ms() - self._read_ms < STALE_MS:
            # A client that the previous list refuses need not queue for the one being read. Any other client must wait:
            # counting starts again with the new list.
            await self._check_replicas(config, client)
        await self._read_replicas()
        await self._check_replicas(config, client)

    @property
    def _has_place(self) -> bool:
        # Replicas report their load with a delay: sessions admitted lately are not in the list yet.
        return free_places(self._replicas, ServiceName.TRANSCRIBER) > len(self._admitted)

    async def _wait_for_turn(self) -> None:
        """Wait for newer reports while the free places are left to other gateways, for a while."""
        give_up_ms = monotonic_ms() + TURN_MS
        while (
            self._has_place
            and len(self._admitted) >= places_of_one_gateway(self._replicas)
            and monotonic_ms() < give_up_ms
        ):
            await asyncio.sleep(max(FRESH_MS, TURN_RETRY_MS) / 1000)
            await self._read_replicas()

    async def check_memory(self) -> None:
        """Refuse what is new while Redis is nearly full, before writes of what has begun fail.

        Raises SttError unavailable, and Redis errors.
        """
        await self._read_replicas()
        self._check_memory()

    def _check_memory(self) -> None:
        if self._used_share > REFUSING_SHARE:
            raise SttError("unavailable", "the store is nearly full; try again later")

    async def _check_replicas(self, config: SessionConfig, client: str) -> None:
        self._check_memory()
        self._check_workers(TranscriberWork.LIVE)
        check_model_can(self._replicas, config.possible_languages, config.task)
        if config.speakers is not None:
            check_speakers(self._replicas)
        if self._has_place or self._detached:
            return
        if not self._attached.can_displace(client, all_places(self._replicas, ServiceName.TRANSCRIBER)):
            await self._ask_for_room()
            raise _full()

    async def _ask_for_room(self) -> None:
        """Ask the gateway with the oldest detached session to stop it, to make room for a later client."""
        holders = [replica for replica in self._replicas if replica.detail.get("parked")]
        if holders and not self._has_asked:
            self._has_asked = True
            oldest = min(holders, key=lambda replica: replica.detail["parked_since_ms"])
            await self._bus.channels.publish(keys.gateway_displace(oldest.id), b"")

    async def max_utterance_s(self) -> int:
        """Return the longest utterance in seconds before it is cut: the least that a ready transcriber announces.

        Raises Redis errors.
        """
        await self._read_replicas()
        announced = [
            int(replica.detail["max_utterance_s"])
            for replica in self._replicas
            if replica.service == ServiceName.TRANSCRIBER
            and replica.state == "ready"
            and "max_utterance_s" in replica.detail
        ]
        return min(announced, default=MAX_UTTERANCE_S)

    async def check_file(self, languages: Sequence[str], task: Task) -> str:
        """Check that a file can be transcribed; it may wait for a worker, but not for one that is unable to do it.

        Returns the name of the model that will do it, '' unless the live transcribers report exactly one. Raises
        SttError bad_config.
        """
        await self._read_replicas()
        check_model_can(self._replicas, languages, task)
        models = self._models()
        return models.pop() if len(models) == 1 else ""

    async def models(self) -> list[str]:
        """Return the names of the models that the live transcribers report."""
        await self._read_replicas()
        return self.known_models

    @property
    def known_models(self) -> list[str]:
        """The same as they were when somebody last asked."""
        return sorted(self._models() - {""})

    def _models(self) -> set[str]:
        return {str(r.detail.get("model", "")) for r in self._replicas if r.service == ServiceName.TRANSCRIBER}

    async def check_workers(self) -> None:
        """Check that somebody can work on a file at once. Raises SttError no_worker, and Redis errors."""
        await self._read_replicas()
        self._check_workers(TranscriberWork.FILES)

    def _check_workers(self, work: TranscriberWork) -> None:
        replicas = working_on(self._replicas, work)
        for service in (ServiceName.AUDIO_PROCESSOR, ServiceName.TRANSCRIBER):
            if not is_ready(replicas, service):
                raise NoPlaceError("no_worker", f"no {service} is ready; try again shortly")

    async def _read_replicas(self) -> None:
        # One reader at a time: otherwise each of many clients that find the list old would reset the count.
        async with self._reading:
            now_ms = monotonic_ms()
            if now_ms - self._read_ms > FRESH_MS:
                self._replicas = await self._bus.replicas.living()
                # INFO may be forbidden to this user.
                with contextlib.suppress(*REDIS_ERRORS):
                    self._used_share = used_share(await self._bus.memory_info())
                self._read_ms = now_ms
                self._admitted = [at_ms for at_ms in self._admitted if now_ms - at_ms < UNREPORTED_MS]
                self._has_asked = False


def _full() -> NoPlaceError:
    return NoPlaceError("at_capacity", "all places for live sessions are taken; try again later")
