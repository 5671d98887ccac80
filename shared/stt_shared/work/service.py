"""Skeleton of a service that works on sessions and jobs: bus, heartbeat, intake, and a shutdown that loses none."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import structlog
from prometheus_client import generate_latest

from stt_shared.contracts.services import ServiceName
from stt_shared.process import gc
from stt_shared.process.clock import wall_ms
from stt_shared.process.core_dumps import forbid_core_dumps
from stt_shared.process.settings import ReplicaSettings
from stt_shared.process.tasks import LoopMonitor, cancel_and_wait, stop_signal
from stt_shared.process.tracing import tracer
from stt_shared.redis.client import wait_until_ready
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.bus import Bus
from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work.health_file import HealthFile
from stt_shared.work.heartbeat import Heartbeat, new_replica_id

_log = structlog.get_logger()

LOOP_STALL_S = 5.0
"""Time that the event loop may be blocked before the replica reports ``stalled``."""


def run_process(
    main: Coroutine[Any, Any, None],
    *,
    fatal: tuple[type[Exception], ...] = (),
    describe: Callable[[Exception], str] = str,
) -> None:
    """Run ``main`` in an event loop; exit with 1 and one line when it raises an error of Redis or one of ``fatal``."""
    expected: tuple[type[Exception], ...] = (*UNREACHABLE, *fatal)
    forbid_core_dumps()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main)
    except expected as error:
        exit_with_error(describe(error))
    except KeyboardInterrupt:  # before the process handles signals
        raise SystemExit(130) from None
    finally:
        tracer().close()


def exit_with_error(message: str, code: int = 1) -> NoReturn:
    """Print the only line that a process prints when it cannot run, and exit."""
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    raise SystemExit(code) from None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None  # it does not exist for Windows
    return uvloop.new_event_loop


@dataclass(frozen=True)
class Figures:
    """Figures that a replica reports besides its state; ``stall`` says why it makes no progress, '' if it does."""

    sessions: int = 0
    capacity: int = 0
    stall: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


class ReplicaState:
    """State of this process as its heartbeat reports it: starting, ready, draining or stalled.

    ``figures`` may be replaced; it is called in the heartbeat's thread. ``starting``: what is awaited, '' when ready.
    """

    def __init__(
        self, service: ServiceName, figures: Callable[[], Figures] = Figures, loop_stall_s: float = LOOP_STALL_S
    ) -> None:
        self.id = new_replica_id(service)
        self.service = service
        self.figures = figures
        self.starting = "starting"
        self.is_draining = False
        self.loop_monitor = LoopMonitor()
        self._loop_stall_s = loop_stall_s
        self._started_ms = int(wall_ms())

    def status(self) -> ReplicaStatus:
        """Return the status for the heartbeat."""
        figures = self.figures()
        state, reason = self._state(figures)
        return ReplicaStatus(
            id=self.id,
            service=self.service,
            state=state,
            reason=reason,
            started_ms=self._started_ms,
            sessions=figures.sessions,
            capacity=figures.capacity,
            detail=figures.detail,
        )

    def _state(self, figures: Figures) -> tuple[str, str]:
        if self.starting:
            return "starting", self.starting
        blocked_s = self.loop_monitor.blocked_s
        if blocked_s > self._loop_stall_s:
            return "stalled", f"the event loop has stood still for {blocked_s:.0f} s"
        if figures.stall:
            return "stalled", figures.stall
        return ("draining", "stopping") if self.is_draining else ("ready", "")


@dataclass(frozen=True)
class Workers:
    """Work of a replica.

    ``intake``: what runs until the replica stops, by name. ``hand_over``: gives the work in hand to other replicas.
    ``in_hand``: figures for the log.
    """

    intake: Mapping[str, Coroutine[Any, Any, None]]
    hand_over: Callable[[], Awaitable[Any]]
    in_hand: Callable[[], Mapping[str, int]]


async def run_replica(
    replica: ReplicaState,
    settings: ReplicaSettings,
    build: Callable[[Bus, contextlib.AsyncExitStack], Awaitable[Workers]],
) -> None:
    """Serve until SIGTERM or SIGINT.

    ``build`` starts the parts of the service; what has to be closed in the end it enters into the stack. Raises
    redis.ConnectionError when Redis does not answer at the start, and what ``build`` or an intake raises.
    """
    stop = stop_signal()
    health_file = HealthFile(settings.health_file)
    try:
        health_file.write("starting", "waiting for Redis", "")
    except OSError as error:
        exit_with_error(f"HEALTH_FILE={settings.health_file} cannot be written: {error.strerror}")
    await wait_until_ready(settings.redis_url, settings.redis_wait_s)
    async with contextlib.AsyncExitStack() as stack:
        heartbeat = Heartbeat(settings.redis_url, replica.id, replica.status, generate_latest, health_file)
        heartbeat.start()
        # Last: once heartbeats are missing, other replicas take the work over.
        stack.push_async_callback(asyncio.to_thread, heartbeat.stop)
        monitoring = asyncio.create_task(replica.loop_monitor.run(), name="loop monitor")
        stack.push_async_callback(cancel_and_wait, monitoring)
        bus = await stack.enter_async_context(Bus.connect(settings.redis_url, replica.id, settings.redis_min_replicas))
        workers = await build(bus, stack)
        replica.starting = ""
        gc.freeze_gc()
        _log.info("ready", replica=replica.id, capacity=replica.figures().capacity)
        await _work(workers, stop, replica)
    _log.info("stopped", replica=replica.id)


async def _work(workers: Workers, stop: asyncio.Event, replica: ReplicaState) -> None:
    intake = [asyncio.create_task(work, name=name) for name, work in workers.intake.items()]
    stopping = asyncio.create_task(stop.wait(), name="stop signal")
    try:
        done, _ = await asyncio.wait({*intake, stopping}, return_when=asyncio.FIRST_COMPLETED)
        replica.is_draining = True
    finally:
        await cancel_and_wait(*(task for task in (*intake, stopping) if not task.done()))
    _log.info("draining", **workers.in_hand())
    await workers.hand_over()
    for task in done - {stopping}:
        task.result()
