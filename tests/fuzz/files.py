"""Mutated files through the decoder's process, as the audio-processor starts it for each upload."""

import random
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fuzz.mutate import mutated
from fuzz.recordings import recordings
from fuzz.report import CRASH, HANG, INTERNAL, Tally
from stt_audio.files.decoder_process import UNEXPECTED, DecoderProcess
from stt_audio.isolation.process import DecoderLost
from stt_shared.contracts.errors import SttError

HANG_S = 60.0
MAX_SAMPLES = 4 * 3600 * 16000


def fuzz_files(count: int, seed: int, tally: Tally, concurrency: int = 2) -> None:
    """Decode ``count`` files; the same seed gives the same files."""
    seeds = recordings()
    names, others = list(seeds), list(seeds.values())

    def one(number: int) -> None:
        if tally.is_over:
            return
        rng = random.Random(f"file {seed} {number}")
        name = names[number % len(names)]
        data = mutated(seeds[name], others, rng)
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            _decode(Path(file.name), tally, f"{seed}-{number}-{name}", data)

    with ThreadPoolExecutor(concurrency) as threads:
        for done in threads.map(one, range(count)):
            assert done is None


def _decode(path: Path, tally: Tally, name: str, data: bytes) -> None:
    decoder = DecoderProcess(path, MAX_SAMPLES)
    hung = threading.Timer(HANG_S, decoder.kill)
    hung.start()
    try:
        decoder.open()
        while decoder.read():
            pass
        tally.count("decoded")
    except SttError as error:
        if "crashes its decoder" in error.message:
            tally.find(CRASH, name, error.message, data)
        elif error.code == INTERNAL or error.message == UNEXPECTED:
            tally.find(INTERNAL, name, error.message, data)
        else:
            tally.count(error.code)
    except DecoderLost as lost:
        tally.find(HANG if hung.finished.is_set() else CRASH, name, str(lost), data)
    except OSError as error:
        tally.find(INTERNAL, name, repr(error), data)
    finally:
        hung.cancel()
        decoder.close()
