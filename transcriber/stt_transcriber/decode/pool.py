"""Pool of the model's threads: runs the decodes of sessions and files in the scheduler's order."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.process.clock import monotonic_ms
from stt_shared.process.priority import lower_thread_priority
from stt_shared.process.tasks import cancel_and_wait
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, TurnRequest
from stt_transcriber.core.schedule.pacing import LoadModel
from stt_transcriber.core.schedule.scheduler import Kind, PendingDecode, Scheduler
from stt_transcriber.decode.preemption import Preemption
from stt_transcriber.engines.base import Engine, FileEngine
from stt_transcriber.metrics import BATCH_SIZE, DECODES, DECODES_WAITING

_log = structlog.get_logger()

_MEASURE = "measure"


JudgeTurn = Callable[[NDArray[np.float32]], float]
"""Function of a turn model: float32 [n] -> probability that the speaker has finished."""
HearVoices = Callable[[NDArray[np.float32], Sequence[tuple[int, int]]], NDArray[np.float32]]
"""Function of a speaker model: float32 [n], windows of it -> their voices, as ``SpeakerModel.voices``."""
Request = DecodeRequest | TurnRequest


@dataclass(frozen=True)
class Decoded:
    """Outcome of a decode: a hypothesis or, of a ``TurnRequest``, a probability.

    Both are None when the model failed; ``error`` describes the failure.
    """

    hypothesis: Hypothesis | None
    waited_ms: float
    took_ms: float
    error: str = ""
    probability: float | None = None


_Result = Hypothesis | float


class DecodeSource(Protocol):
    """Owner of decodes: a live session, or a chunk of a file. It has at most one decode pending or running."""

    @property
    def key(self) -> str:
        """Unique name of the source."""
        ...

    def next_request(self) -> Request | None:
        """Return the audio to decode as of this moment, when the model is free; None: nothing is left to decode."""
        ...

    async def deliver(self, decoded: Decoded) -> None:
        """Accept the outcome; awaited once for each request that ``next_request`` returned."""
        ...


class ModelPool:
    """Pool of ``engine.parallel`` threads that run decodes. Use as an async context manager.

    With a ``FileEngine``, files have as many threads of their own. These use the time that live decodes leave, and wait
    while there is none.

    ``judge_turn``: answers the ``TurnRequest``s of live sessions, which come only if it is given.
    ``hear_voices``: tells the voices that a final asks for, in the thread that decoded it.
    ``min_interval_ms``, ``max_interval_ms``: bounds of the interval between two drafts of a session; ``draft_ms``: cost
    of one draft until it has been measured.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        judge_turn: JudgeTurn | None = None,
        hear_voices: HearVoices | None = None,
        min_interval_ms: float = 300.0,
        max_interval_ms: float = 3000.0,
        draft_ms: float = 60.0,
    ) -> None:
        self._engine = engine
        self.biased_by_keyterms = engine.biased_by_keyterms
        self._judge_turn = judge_turn
        self._hear_voices = hear_voices
        self._files = engine if isinstance(engine, FileEngine) else None
        self.scheduler = Scheduler(
            engine.parallel,
            engine.max_batch,
            self._files.max_file_batch if self._files else 1,
            files_give_way=self._files is not None,
        )
        self._preemption = Preemption(engine.parallel)
        self.load = LoadModel(engine.parallel, min_interval_ms, max_interval_ms, draft_ms)
        self._threads = ThreadPoolExecutor(engine.parallel, thread_name_prefix="model")
        self._file_threads = self._threads
        if self._files is not None:
            self._file_threads = ThreadPoolExecutor(engine.parallel, thread_name_prefix="files")
        self._in_file_thread = threading.local()
        self._sources: dict[str, DecodeSource] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._began_ms: dict[str, float] = {}
        self._step_began_ms: dict[str, float] = {}  # of chunks of files, by file_clock_ms

    async def __aenter__(self) -> "ModelPool":
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel_and_wait(*self._tasks)
        self._preemption.close()
        for threads in (self._threads, self._file_threads):
            threads.shutdown(wait=False, cancel_futures=True)

    @property
    def longest_running_s(self) -> float:
        """Age in seconds of the oldest running decode or, for chunks of files, of the oldest running step; safe to read
        from another thread."""
        decodes, steps = list(self._began_ms.values()), list(self._step_began_ms.values())
        now_ms, file_clock_ms = monotonic_ms(), self._preemption.file_clock_ms
        return max([0.0, *(now_ms - began for began in decodes), *(file_clock_ms - began for began in steps)]) / 1000

    @property
    def decodes_files(self) -> bool:
        """Whether chunks of files are being decoded."""
        return bool(self._step_began_ms)

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

    def submit(self, kind: Kind, budget_ms: float, *sources: DecodeSource) -> None:
        """Request one decode for each source within ``budget_ms``; those submitted together may share a batch.

        A request already waiting for a source is kept, with the nearer deadline.
        """
        now = monotonic_ms()
        for source in sources:
            self._sources[source.key] = source
            self.scheduler.submit(PendingDecode(source.key, kind, now + budget_ms, now))
        self._dispatch()

    def cancel(self, source: DecodeSource) -> None:
        """Withdraw the request of a source; a running decode for it still finishes, but its outcome is not needed."""
        self.scheduler.cancel(source.key)
        self._sources.pop(source.key, None)

    def _dispatch(self) -> None:
        # Each iteration either begins a decode or withdraws a request, so the loop ends.
        while batches := self.scheduler.decide():
            for batch in batches:
                decodes = [decode for pending in batch if (decode := self._begin(pending)) is not None]
                if decodes:
                    self.scheduler.started([decode.pending for decode in decodes])
                    task = asyncio.create_task(self._decode(decodes), name=f"decode {decodes[0].pending.kind.name}")
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        DECODES_WAITING.set(self.scheduler.waiting)

    def _begin(self, pending: PendingDecode) -> "_Decode | None":
        source = self._sources[pending.key]
        request = source.next_request()
        if request is None:
            self.scheduler.cancel(pending.key)
            return None
        return _Decode(pending, request, source)

    async def _decode(self, batch: list["_Decode"]) -> None:
        began = monotonic_ms()
        kind = batch[0].pending.kind
        if kind is Kind.FILE_CHUNK and self._files is not None:
            self._step_began_ms[batch[0].pending.key] = self._preemption.file_clock_ms
        else:
            self._began_ms[batch[0].pending.key] = began
        try:
            results = await self._run(kind, batch[0].pending.key, [decode.request for decode in batch])
        finally:
            self._began_ms.pop(batch[0].pending.key, None)
            self._step_began_ms.pop(batch[0].pending.key, None)
            self.scheduler.ended([decode.pending for decode in batch])
        took = monotonic_ms() - began
        windows_s = [len(decode.request.samples) / AUDIO_RATE_HZ for decode in batch]
        self.load.decoded(kind, took, windows_s, began - batch[0].pending.since_ms, monotonic_ms())
        if kind in (Kind.FIRST, Kind.PARTIAL):
            BATCH_SIZE.observe(len(batch))
        # A worker is free: begin the next decode before this one's text is published.
        self._dispatch()
        for decode, (result, error) in zip(batch, results, strict=True):
            DECODES.labels(decode.pending.kind.name.lower(), "failed" if error else "ok").inc()
            try:
                await decode.source.deliver(_decoded(result, began - decode.pending.since_ms, took, error))
            except Exception:
                _log.exception("result not delivered", key=decode.pending.key)
        self._dispatch()

    async def _run(self, kind: Kind, key: str, requests: list[Request]) -> list[tuple[_Result | None, str]]:
        loop = asyncio.get_running_loop()
        try:
            threads = self._file_threads if kind is Kind.FILE_CHUNK else self._threads
            results = await loop.run_in_executor(threads, self._in_thread, kind, key, requests)
            return [(result, "") for result in results]
        except Exception as failure:
            # One failed decode must not stop the pool; the caller gets the error.
            _log.exception("decode failed", windows=len(requests))
            if len(requests) == 1:
                return [(None, f"{type(failure).__name__}: {failure}")]
        # Nor must it fail the others in its batch, so each is decoded alone.
        return [(await self._run(kind, key, [request]))[0] for request in requests]

    def _in_thread(self, kind: Kind, key: str, requests: list[Request]) -> Sequence[_Result]:
        if self._files is None:
            return self._answers(requests)
        if kind is not Kind.FILE_CHUNK:
            with self._preemption.live():
                return self._answers(requests)

        def give_way() -> None:
            if not getattr(self._in_file_thread, "has_low_priority", False):
                # Not earlier: the engine may first load its model for files, and hold the interpreter lock for long.
                # Live work would wait for a low-priority thread that gets no CPU time.
                lower_thread_priority()
                self._in_file_thread.has_low_priority = True
            # A thread that waits here is not stalled.
            self._step_began_ms.pop(key, None)
            self._preemption.give_way()
            self._step_began_ms[key] = self._preemption.file_clock_ms

        with self._preemption.file():
            return self._files.decode_files(_decodes(requests), give_way)

    def _answers(self, requests: list[Request]) -> Sequence[_Result]:
        if isinstance(requests[0], TurnRequest):
            assert self._judge_turn is not None
            return [self._judge_turn(request.samples) for request in requests]
        decodes = _decodes(requests)
        return [self._with_voices(*pair) for pair in zip(decodes, self._engine.decode(decodes), strict=True)]

    def _with_voices(self, request: DecodeRequest, hypothesis: Hypothesis) -> Hypothesis:
        if not request.voice_windows or self._hear_voices is None:
            return hypothesis
        try:
            return replace(hypothesis, voices=self._hear_voices(request.samples, request.voice_windows))
        except Exception as error:
            # The text must not be lost with the voices.
            _log.warning("no voices", cause=str(error))
            return hypothesis


@dataclass(frozen=True)
class _Decode:
    """Decode that has begun."""

    pending: PendingDecode
    request: Request
    source: DecodeSource


def _decodes(requests: Sequence[Request]) -> list[DecodeRequest]:
    return [request for request in requests if isinstance(request, DecodeRequest)]


def _decoded(result: _Result | None, waited_ms: float, took_ms: float, error: str) -> Decoded:
    if isinstance(result, float):
        return Decoded(None, waited_ms, took_ms, error, probability=result)
    return Decoded(result, waited_ms, took_ms, error)
