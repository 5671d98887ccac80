"""The model's threads: files step back for live work, and who waits for it does not stand still."""

import asyncio
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from stt_shared.process.priority import NICENESS
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, TurnRequest
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.decode import pool as model_pool
from stt_transcriber.decode import preemption
from stt_transcriber.decode.pool import Decoded, ModelPool, Request
from stt_transcriber.engines.base import GiveWay

pytestmark = pytest.mark.unit

REQUEST = DecodeRequest(np.zeros(16000, np.float32), "en")


class BlockingEngine:
    """Each kind of decode begins, and ends when it is let go."""

    name = model = "held"
    parallel = 1
    max_batch = 1
    max_file_batch = 2
    languages = ("en",)
    is_multilingual = False
    biased_by_keyterms = False
    hears_earlier = False

    def __init__(self) -> None:
        self.live_begun, self.live_over = threading.Event(), threading.Event()
        self.file_begun, self.file_over = threading.Event(), threading.Event()
        self.niceness: dict[str, int] = {}

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        self.niceness["live"] = niceness()
        self.live_begun.set()
        self.live_over.wait(10)
        return [Hypothesis("", (), "en", 1.0, -0.1, 0.0, 1.0) for _ in requests]

    def decode_files(self, requests: Sequence[DecodeRequest], give_way: GiveWay) -> list[Hypothesis]:
        self.niceness.setdefault("file model loads", niceness())
        self.file_begun.set()
        self.file_over.wait(10)
        give_way()
        self.niceness["file"] = niceness()
        return [Hypothesis("", (), "en", 1.0, -0.1, 0.0, 1.0) for _ in requests]


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) if sys.platform.startswith("linux") else 0


class Source:
    def __init__(self, key: str, request: Request = REQUEST) -> None:
        self.key = key
        self._request = request
        self.decoded: asyncio.Future[Decoded] = asyncio.get_running_loop().create_future()

    def next_request(self) -> Request:
        return self._request

    async def deliver(self, decoded: Decoded) -> None:
        self.decoded.set_result(decoded)


def submit(pool: ModelPool, key: str, kind: Kind) -> asyncio.Future[Decoded]:
    source = Source(key)
    pool.submit(kind, 100.0, source)
    return source.decoded


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads have priorities of their own on Linux only")
async def test_pieces_of_files_have_the_time_that_live_decodes_leave() -> None:
    engine = BlockingEngine()
    engine.live_over.set()
    engine.file_over.set()
    async with ModelPool(engine) as pool:
        for key, kind in (
            ("file", Kind.FILE_CHUNK),
            ("live", Kind.FINAL),
            ("file 2", Kind.FILE_CHUNK),
            ("live 2", Kind.PARTIAL),
        ):
            assert (await submit(pool, key, kind)).hypothesis is not None
    ours = niceness()
    # Loading holds the interpreter, for which live work would have to wait.
    assert engine.niceness == {"live": ours, "file model loads": ours, "file": min(19, ours + NICENESS)}


async def test_a_step_of_a_file_beside_live_work_on_every_worker_does_not_stand_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_ms = 1000.0
    for module in (model_pool, preemption):
        monkeypatch.setattr(module, "monotonic_ms", lambda: now_ms)
    engine = BlockingEngine()
    async with ModelPool(engine) as pool:
        file = submit(pool, "file", Kind.FILE_CHUNK)
        await asyncio.to_thread(engine.file_begun.wait, 10)
        now_ms += 5000
        assert pool.longest_running_s == 5.0
        live = submit(pool, "live", Kind.FINAL)
        await asyncio.to_thread(engine.live_begun.wait, 10)
        now_ms += 40_000
        assert pool.longest_running_s == 40.0, "a live decode that hangs is reported"
        engine.live_over.set()
        await live
        assert pool.longest_running_s == 5.0, "the file had hardly any time meanwhile"
        now_ms += 30_000
        assert pool.longest_running_s == 35.0, "and a file's step that hangs is reported too"
        engine.file_over.set()
        await file
        assert pool.longest_running_s == 0.0


async def test_pauses_are_judged_in_a_worker_and_a_judge_that_fails_is_reported() -> None:
    threads: list[str] = []

    def judge(samples: NDArray[np.float32]) -> float:
        threads.append(threading.current_thread().name)
        if not len(samples):
            raise ValueError("nothing was said")
        return 0.7

    async with ModelPool(BlockingEngine(), judge_turn=judge) as pool:
        for samples, answer in ((np.zeros(8), (0.7, "")), (np.zeros(0), (None, "ValueError: nothing was said"))):
            source = Source("live", TurnRequest(samples.astype(np.float32)))
            pool.submit(Kind.TURN, 100.0, source)
            decoded = await source.decoded
            assert decoded.hypothesis is None
            assert (decoded.probability, decoded.error) == answer
    assert all(name.startswith("model") for name in threads)


class SilentEngine(BlockingEngine):
    """Answers at once."""

    def __init__(self) -> None:
        super().__init__()
        self.live_over.set()


async def test_voices_are_told_with_the_decode_and_their_failure_costs_no_text() -> None:
    request = replace(REQUEST, voice_windows=((0, 8000), (8000, 16000)))

    def hear(samples: NDArray[np.float32], windows: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
        if windows != request.voice_windows or len(samples) != 16000:
            raise RuntimeError("other windows")
        return np.eye(2, dtype=np.float32)

    for asked, expected in ((request, 2), (REQUEST, None), (replace(request, voice_windows=((0, 1),)), None)):
        async with ModelPool(SilentEngine(), hear_voices=hear) as pool:
            source = Source("a", asked)
            pool.submit(Kind.FINAL, 100.0, source)
            hypothesis = (await source.decoded).hypothesis
        assert hypothesis is not None
        assert (None if hypothesis.voices is None else len(hypothesis.voices)) == expected
