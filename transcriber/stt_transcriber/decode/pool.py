"""Pool of the model's threads: accepts requests from sessions and files and runs decodes in the scheduler's order."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from prometheus_client import Counter, Gauge, Histogram

from stt_shared.process.clock import monotonic_ms
from stt_shared.process.priority import lower_thread_priority
from stt_shared.process.tasks import cancel_and_wait
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.core.schedule.pacing import LoadModel
from stt_transcriber.core.schedule.scheduler import Kind, PendingDecode, Scheduler
from stt_transcriber.decode.preemption import Preemption
from stt_transcriber.engines.base import Engine, FileEngine

_log = structlog.get_logger()

DECODES = Counter("stt_decodes_total", "Decodes by kind and outcome.", ["kind", "outcome"])
BATCH_SIZE = Histogram("stt_batch_size", "Drafts decoded together.", buckets=(1, 2, 3, 4, 6, 8, 16))
WAITING = Gauge("stt_decodes_waiting", "Wishes for a decode that have not begun.")
_MEASURE = "measure"


@dataclass(frozen=True)
class Decoded:
    """Outcome of a decode. ``hypothesis`` is None when the engine failed; ``error`` describes the failure."""

    hypothesis: Hypothesis | None
    waited_ms: float
    took_ms: float
    error: str = ""


Begin = Callable[[], DecodeRequest | None]
"""Callback when the model is free; returns the audio as of that moment, None when there is nothing left to decode."""
End = Callable[[Decoded], Awaitable[None]]
"""Callback that is awaited with the outcome, always once per decode begun."""


@dataclass(frozen=True)
class DecodeOrder:
    """Arguments of ``ModelPool.submit``."""

    key: str
    kind: Kind
    budget_ms: float
    begin: Begin
    end: End


class ModelPool:
    """Pool of ``engine.parallel`` threads that run decodes. Use as an async context manager.

    With a ``FileEngine``, files have as many threads of their own. These use the time that live decodes leave, and wait
    while there is none.

    ``min_interval_ms``, ``max_interval_ms``: bounds of the interval between two drafts of a session; ``draft_ms``: cost
    of one draft until it has been measured.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        min_interval_ms: float = 300.0,
        max_interval_ms: float = 3000.0,
        draft_ms: float = 60.0,
    ) -> None:
        self._engine = engine
        self._files = engine if isinstance(engine, FileEngine) else None
        self.scheduler = Scheduler(
            engine.parallel,
            engine.max_batch,
            self._files.max_file_batch if self._files else 1,
            files_give_way=self._files is not None,
        )
        self._right_of_way = Preemption(engine.parallel)
        self.load = LoadModel(engine.parallel, min_interval_ms, max_interval_ms, draft_ms)
        self._threads = ThreadPoolExecutor(engine.parallel, thread_name_prefix="model")
        self._file_threads = self._threads
        if self._files is not None:
            self._file_threads = ThreadPoolExecutor(engine.parallel, thread_name_prefix="files")
        self._in_file_thread = threading.local()
        self._callers: dict[str, tuple[Begin, End]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._began_ms: dict[str, float] = {}
        self._step_began_ms: dict[str, float] = {}  # of chunks of files, by file_clock_ms

    async def __aenter__(self) -> "ModelPool":
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_and_wait(*self._tasks)
        self._right_of_way.close()
        for threads in (self._threads, self._file_threads):
            threads.shutdown(wait=False, cancel_futures=True)

    @property
    def longest_running_s(self) -> float:
        """Age in seconds of the oldest running decode or, for chunks of files, of the oldest running step; safe to read
        from another thread."""
        decodes, steps = list(self._began_ms.values()), list(self._step_began_ms.values())
        now_ms, file_clock_ms = monotonic_ms(), self._right_of_way.file_clock_ms
        return max([0.0, *(now_ms - began for began in decodes), *(file_clock_ms - began for began in steps)]) / 1000

    async def measure(self, request: DecodeRequest) -> float | None:
        """Return the milliseconds that this decode takes on its own; None while live decodes run.

        Raises what the engine raises.
        """
        if self._began_ms:
            return None
        self._began_ms[_MEASURE] = monotonic_ms()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._timed, request)
        finally:
            del self._began_ms[_MEASURE]

    def _timed(self, request: DecodeRequest) -> float:
        began = monotonic_ms()
        self._in_thread(Kind.PARTIAL, _MEASURE, [request])
        return monotonic_ms() - began

    def submit(self, key: str, kind: Kind, budget_ms: float, begin: Begin, end: End) -> None:
        """Request a decode for ``key`` within ``budget_ms``; one already waiting is kept, with the nearer deadline."""
        self.submit_all([DecodeOrder(key, kind, budget_ms, begin, end)])

    def submit_all(self, asked: Sequence[DecodeOrder]) -> None:
        """Submit several requests at once, so that those that may be decoded together share a batch."""
        now = monotonic_ms()
        for one in asked:
            self._callers[one.key] = (one.begin, one.end)
            self.scheduler.submit(PendingDecode(one.key, one.kind, now + one.budget_ms, now))
        self._dispatch()

    def cancel(self, key: str) -> None:
        """Withdraw the request of ``key``; a running decode for it still finishes, but its outcome is not needed."""
        self.scheduler.cancel(key)
        self._callers.pop(key, None)

    def _dispatch(self) -> None:
        # Each iteration either begins a decode or withdraws a request, so the loop ends.
        while batches := self.scheduler.decide():
            for batch in batches:
                taken = [item for wish in batch if (item := self._take(wish)) is not None]
                if taken:
                    self.scheduler.started([item.pending for item in taken])
                    task = asyncio.create_task(self._decode(taken), name=f"decode {taken[0].pending.kind.name}")
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        WAITING.set(self.scheduler.waiting)

    def _take(self, wish: PendingDecode) -> "_Item | None":
        begin, end = self._callers[wish.key]
        request = begin()
        if request is None:
            self.scheduler.cancel(wish.key)
            return None
        return _Item(wish, request, end)

    async def _decode(self, batch: list["_Item"]) -> None:
        began = monotonic_ms()
        kind = batch[0].pending.kind
        if kind is Kind.BATCH and self._files is not None:
            self._step_began_ms[batch[0].pending.key] = self._right_of_way.file_clock_ms
        else:
            self._began_ms[batch[0].pending.key] = began
        try:
            results = await self._run(kind, batch[0].pending.key, [item.request for item in batch])
        finally:
            self._began_ms.pop(batch[0].pending.key, None)
            self._step_began_ms.pop(batch[0].pending.key, None)
            self.scheduler.ended([item.pending for item in batch])
        took = monotonic_ms() - began
        self.load.decoded(kind, took, len(batch), monotonic_ms())
        if kind in (Kind.FIRST, Kind.PARTIAL):
            BATCH_SIZE.observe(len(batch))
        # A worker is free: begin the next decode before this one's text is published.
        self._dispatch()
        for item, (hypothesis, error) in zip(batch, results, strict=True):
            DECODES.labels(item.pending.kind.name.lower(), "failed" if error else "ok").inc()
            try:
                await item.end(Decoded(hypothesis, began - item.pending.since_ms, took, error))
            except Exception:
                _log.exception("result not delivered", key=item.pending.key)
        self._dispatch()

    async def _run(self, kind: Kind, key: str, requests: list[DecodeRequest]) -> list[tuple[Hypothesis | None, str]]:
        loop = asyncio.get_running_loop()
        try:
            threads = self._file_threads if kind is Kind.BATCH else self._threads
            heard = await loop.run_in_executor(threads, self._in_thread, kind, key, requests)
            return [(hypothesis, "") for hypothesis in heard]
        except Exception as failure:
            # One failed decode must not stop the pool; the caller gets the error.
            _log.exception("decode failed", windows=len(requests))
            if len(requests) == 1:
                return [(None, f"{type(failure).__name__}: {failure}")]
        # Nor must it fail the others in its batch, so each is decoded alone.
        return [(await self._run(kind, key, [request]))[0] for request in requests]

    def _in_thread(self, kind: Kind, key: str, requests: list[DecodeRequest]) -> list[Hypothesis]:
        if self._files is None:
            return self._engine.decode(requests)
        if kind is not Kind.BATCH:
            with self._right_of_way.live():
                return self._engine.decode(requests)

        def give_way() -> None:
            if not getattr(self._in_file_thread, "stepped_back", False):
                # Not earlier: the engine may first load its model for files, and hold the interpreter lock for long.
                # Live work would wait for a low-priority thread that gets no CPU time.
                lower_thread_priority()
                self._in_file_thread.stepped_back = True
            # A thread that waits here is not stalled.
            self._step_began_ms.pop(key, None)
            self._right_of_way.give_way()
            self._step_began_ms[key] = self._right_of_way.file_clock_ms

        with self._right_of_way.file():
            return self._files.decode_files(requests, give_way)


@dataclass(frozen=True)
class _Item:
    """Request whose decode has begun."""

    pending: PendingDecode
    request: DecodeRequest
    end: End
