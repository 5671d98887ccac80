"""Mutated live streams through the live decoder: announced as what they are, as anything else, or not at all."""

import asyncio
import multiprocessing
import random
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from fuzz.mutate import mutated
from fuzz.recordings import recordings
from fuzz.report import CRASH, HANG, INTERNAL, Tally
from stt_audio.codecs.memory import limit_allocations
from stt_audio.live.decoder import LiveDecoder, live_decoder
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding, SessionConfig

HANG_S = 60.0
MAX_SAMPLES = 4 * 3600 * 16000
_CONTEXT = multiprocessing.get_context("spawn")


def fuzz_streams(count: int, seed: int, tally: Tally, concurrency: int = 2) -> None:
    """Decode ``count`` streams; the same seed gives the same streams."""
    seeds = recordings()
    with ThreadPoolExecutor(concurrency) as threads:
        works = [
            threads.submit(_decode_some, range(first, count, concurrency), seed, seeds, tally)
            for first in range(concurrency)
        ]
        for work in works:
            work.result()


class _Worker:
    """A process that decodes streams, one after the other, so that one that hangs can be ended."""

    def __init__(self) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        # Not a daemon, which could not start the processes of its decoders.
        self.process = _CONTEXT.Process(target=_decode_for_ever, args=(theirs,))
        self.process.start()
        theirs.close()

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _decode_some(numbers: range, seed: int, seeds: dict[str, bytes], tally: Tally) -> None:
    names, others = list(seeds), list(seeds.values())
    worker = _Worker()
    for number in numbers:
        if tally.is_over:
            break
        rng = random.Random(f"stream {seed} {number}")
        name = f"{seed}-{number}-{names[number % len(names)]}"
        data = mutated(others[number % len(names)], others, rng)
        try:
            worker.pipe.send((data, rng.randrange(1 << 30)))
            if worker.pipe.poll(HANG_S):
                outcome, note = worker.pipe.recv()
                if outcome in (CRASH, INTERNAL):
                    tally.find(outcome, name, note, data)
                else:
                    tally.count(outcome)
                continue
            tally.find(HANG, name, f"no end within {HANG_S:g} s", data)
        except (EOFError, OSError):
            worker.process.join()
            tally.find(CRASH, name, f"exit code {worker.process.exitcode}", data)
        worker.close()
        worker = _Worker()
    worker.close()


def _decode_for_ever(pipe: Connection) -> None:
    limit_allocations()
    with ThreadPoolExecutor(2) as executor, asyncio.Runner() as runner:
        while True:
            data, seed = pipe.recv()
            pipe.send(runner.run(_outcome(data, random.Random(seed), executor)))


async def _outcome(data: bytes, rng: random.Random, executor: ThreadPoolExecutor) -> tuple[str, str]:
    config = SessionConfig(
        encoding=rng.choice((Encoding.AUTO, Encoding.AUTO, *Encoding)),
        sample_rate=rng.choice((8000, 16000, 44100, 48000)),
        channels=rng.choice((1, 1, 2, 8)),
    )
    decoder: LiveDecoder | None = None
    try:
        decoder = live_decoder(config, executor, MAX_SAMPLES)
        begins = fed = 0
        while fed < len(data):
            end = fed + rng.choice((1, 10, 100, 1000, 10_000, len(data)))
            async for _ in decoder.feed(data[fed:end]):
                pass
            fed = min(end, len(data))
            if rng.random() < 0.05 and (begin := decoder.checkpoint()) is not None:
                # Another replica takes the session over.
                await decoder.close()
                decoder = live_decoder(config, executor, MAX_SAMPLES, begin)
                begins += begin.point.offset
                async for _ in decoder.feed(data[begins:fed]):
                    pass
                decoder.resume()
        for rest in (decoder.flush(), decoder.finish()):
            async for _ in rest:
                pass
        return "decoded", ""
    except SttError as error:
        return CRASH if "crashes its decoder" in error.message else error.code, error.message
    except Exception as unexpected:
        return INTERNAL, repr(unexpected)
    finally:
        if decoder is not None:
            await decoder.close()
