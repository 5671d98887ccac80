"""The model's threads: takes wishes from sessions and files, asks the scheduler whose turn it is, runs the decode."""

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
    """What came of a wish. ``hypothesis`` None: the engine failed, ``error`` says how."""

    hypothesis: Hypothesis | None
    waited_ms: float
    took_ms: float
    error: str = ""


Begin = Callable[[], DecodeRequest | None]
"""Called when the model is free; answers the audio as it is by then, None when nothing is to be done any more."""
End = Callable[[Decoded], Awaitable[None]]
"""Awaited with the outcome, always, once per request begun."""


@dataclass(frozen=True)
class DecodeOrder:
    """What ``ModelPool.submit`` takes."""

    key: str
    kind: Kind
    budget_ms: float
    begin: Begin
    end: End


class ModelPool:
    """Runs decodes on ``engine.parallel`` threads. Of an engine whose files give way, those have as many more, with
    the time that live decodes leave, where they wait while there is none. Use as an async context manager.

    ``min_interval_ms``, ``max_interval_ms``: bounds of the interval between two drafts of a session; ``draft_ms``: what
    one costs, until it was measured.
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
        self._step_began_ms: dict[str, float] = {}  # of pieces of files, by their clock

    async def __aenter__(self) -> "ModelPool":
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_and_wait(*self._tasks)
        self._right_of_way.close()
        for threads in (self._threads, self._file_threads):
            threads.shutdown(wait=False, cancel_futures=True)

    @property
    def longest_running_s(self) -> float:
        """How long the oldest decode in hand has been running, or, of a file's pieces, the oldest step of one; safe to
        read from another thread."""
        decodes, steps = list(self._began_ms.values()), list(self._step_began_ms.values())
        now_ms, file_clock_ms = monotonic_ms(), self._right_of_way.file_clock_ms
        return max([0.0, *(now_ms - began for began in decodes), *(file_clock_ms - began for began in steps)]) / 1000

    async def measure(self, request: DecodeRequest) -> float | None:
        """What this decode takes on its own; None while live decodes run. Raises what the engine raises."""
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
        """``key`` wants a decode within ``budget_ms``; a wish already waiting is kept, with the nearer deadline."""
        self.submit_all([DecodeOrder(key, kind, budget_ms, begin, end)])

    def submit_all(self, asked: Sequence[DecodeOrder]) -> None:
        """As ``submit``; what may be decoded together finds itself together."""
        now = monotonic_ms()
        for one in asked:
            self._callers[one.key] = (one.begin, one.end)
            self.scheduler.submit(PendingDecode(one.key, one.kind, now + one.budget_ms, now))
        self._dispatch()

    def cancel(self, key: str) -> None:
        """``key`` is gone; a decode in hand for it still ends, into nothing."""
        self.scheduler.cancel(key)
        self._callers.pop(key, None)

    def _dispatch(self) -> None:
        # Each turn either begins a decode or takes a wish away, so this ends.
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
        # A worker is free: the next decode begins before this one's text is told.
        self._dispatch()
        for item, (hypothesis, error) in zip(batch, results, strict=True):
            DECODES.labels(item.pending.kind.name.lower(), "failed" if error else "ok").inc()
            try:
                await item.end(Decoded(hypothesis, began - item.pending.since_ms, took, error))
            except Exception:
                _log.exception("outcome not taken", key=item.pending.key)
        self._dispatch()

    async def _run(self, kind: Kind, key: str, requests: list[DecodeRequest]) -> list[tuple[Hypothesis | None, str]]:
        loop = asyncio.get_running_loop()
        try:
            threads = self._file_threads if kind is Kind.BATCH else self._threads
            heard = await loop.run_in_executor(threads, self._in_thread, kind, key, requests)
            return [(hypothesis, "") for hypothesis in heard]
        except Exception as failure:
            # One broken decode must not stop the pool; the caller is told.
            _log.exception("decode failed", windows=len(requests))
            if len(requests) == 1:
                return [(None, f"{type(failure).__name__}: {failure}")]
        # Nor must it take those along that it was decoded with.
        return [(await self._run(kind, key, [request]))[0] for request in requests]

    def _in_thread(self, kind: Kind, key: str, requests: list[DecodeRequest]) -> list[Hypothesis]:
        if self._files is None:
            return self._engine.decode(requests)
        if kind is not Kind.BATCH:
            with self._right_of_way.live():
                return self._engine.decode(requests)

        def give_way() -> None:
            if not getattr(self._in_file_thread, "stepped_back", False):
                # Not before: the engine may load its model for files first, and hold the interpreter for long. Live
                # work would wait for a thread that gets no time.
                lower_thread_priority()
                self._in_file_thread.stepped_back = True
            # Who waits does not stand still.
            self._step_began_ms.pop(key, None)
            self._right_of_way.give_way()
            self._step_began_ms[key] = self._right_of_way.file_clock_ms

        with self._right_of_way.file():
            return self._files.decode_files(requests, give_way)


@dataclass(frozen=True)
class _Item:
    """A wish that came true."""

    pending: PendingDecode
    request: DecodeRequest
    end: End
