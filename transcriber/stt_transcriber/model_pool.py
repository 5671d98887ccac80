"""The model's threads: takes wishes from sessions and files, asks the scheduler whose turn it is, runs the decode."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from prometheus_client import Counter, Gauge

from stt_shared.clock import monotonic_ms
from stt_shared.tasks import cancel_and_wait
from stt_transcriber.core.hypothesis import DecodeRequest, Hypothesis
from stt_transcriber.core.scheduler import Kind, Scheduler, Wish
from stt_transcriber.engines.base import Engine

_log = structlog.get_logger()

DECODES = Counter("stt_decodes_total", "Decodes by kind and outcome.", ["kind", "outcome"])
WAITING = Gauge("stt_decodes_waiting", "Wishes for a decode that have not begun.")


@dataclass(frozen=True)
class Decoded:
    """What came of a wish. ``hypothesis`` None: the engine failed, ``error`` says how."""

    hypothesis: Hypothesis | None
    waited_ms: float
    took_ms: float
    error: str = ""


Begin = Callable[[], DecodeRequest | None]
"""Called when the model is free; answers the audio as it is by then, None when nothing is to be done any more."""
End = Callable[[Decoded], Awaitable[None]]
"""Awaited with the outcome, always, once per request begun."""


class ModelPool:
    """Runs decodes on ``engine.parallel`` threads. Use as an async context manager."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.scheduler = Scheduler(engine.parallel)
        self._threads = ThreadPoolExecutor(engine.parallel, thread_name_prefix="model")
        self._callers: dict[str, tuple[Begin, End]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._began_ms: dict[str, float] = {}

    async def __aenter__(self) -> "ModelPool":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            await cancel_and_wait(task)
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def longest_running_s(self) -> float:
        """How long the oldest decode in hand has been running; safe to read from another thread."""
        began = list(self._began_ms.values())
        return (monotonic_ms() - min(began)) / 1000 if began else 0.0

    def wish(self, key: str, kind: Kind, budget_ms: float, begin: Begin, end: End) -> None:
        """``key`` wants a decode within ``budget_ms``; a wish already waiting is kept, with the nearer deadline."""
        now = monotonic_ms()
        self._callers[key] = (begin, end)
        self.scheduler.wish(Wish(key, kind, now + budget_ms, now))
        self._dispatch()

    def withdraw(self, key: str) -> None:
        """``key`` is gone; a decode in hand for it still ends, into nothing."""
        self.scheduler.withdraw(key)
        self._callers.pop(key, None)

    def _dispatch(self) -> None:
        # Each turn either begins a decode or takes a wish away, so this ends.
        while ready := self.scheduler.decide():
            for wish in ready:
                begin, end = self._callers[wish.key]
                request = begin()
                if request is None:
                    self.scheduler.withdraw(wish.key)
                    continue
                self.scheduler.begun(wish)
                task = asyncio.create_task(self._decode(wish, request, end), name=f"decode {wish.kind.name}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        WAITING.set(self.scheduler.waiting)

    async def _decode(self, wish: Wish, request: DecodeRequest, end: End) -> None:
        began = self._began_ms[wish.key] = monotonic_ms()
        hypothesis, error = None, ""
        try:
            loop = asyncio.get_running_loop()
            hypothesis = await loop.run_in_executor(self._threads, self._engine.decode, request)
        except Exception as failure:
            # One broken decode must not stop the pool; the caller is told.
            error = f"{type(failure).__name__}: {failure}"
            _log.exception("decode failed", key=wish.key, kind=wish.kind.name)
        finally:
            self._began_ms.pop(wish.key, None)
            self.scheduler.ended(wish.key)
        DECODES.labels(wish.kind.name.lower(), "failed" if error else "ok").inc()
        outcome = Decoded(hypothesis, began - wish.since_ms, monotonic_ms() - began, error)
        try:
            await end(outcome)
        except Exception:
            _log.exception("outcome not taken", key=wish.key)
        finally:
            self._dispatch()
