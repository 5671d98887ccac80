"""A live recording's decoder in a process of its own: the same audio, limits of its own, and a death nobody shares."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support import decoder_bombs
from support.encoders import encoded

from stt_audio.codecs.container import ContainerDecoder
from stt_audio.codecs.formats import Media
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.isolation import process
from stt_audio.isolation.limits import LEAST_SPEED, MAX_MEMORY_BYTES, OPEN_CPU_S
from stt_audio.live.isolated_decoder import IsolatedDecoder
from stt_shared.contracts.errors import SttError

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and signals are those of Linux"),
]

LONG = 10**9
BOMBS = {
    "a sample table of 20 million": decoder_bombs.mp4_sample_table,
    "a fragment of 60 million samples": decoder_bombs.mp4_fragment,
    "20 tables, each within the limit of one allocation": lambda: decoder_bombs.mp4_sample_table(2_700_000, tracks=20),
}


@pytest.fixture(scope="module")
def webm() -> bytes:
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, 16000 * 5).astype(np.float32)
    return encoded(noise, "webm", "libopus")


@pytest.fixture
async def decoder() -> AsyncIterator[IsolatedDecoder]:
    decoder = IsolatedDecoder(Media.MATROSKA, LengthLimit(LONG))
    yield decoder
    await decoder.close()


async def joined(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def all_of(decoder: IsolatedDecoder, data: bytes) -> bytes:
    return await joined(decoder.feed(data)) + await joined(decoder.finish())


async def pid_of(decoder: IsolatedDecoder) -> int:
    await decoder._starting
    assert decoder._process.pid is not None
    return decoder._process.pid


async def test_audio_position_and_limit_are_those_of_the_decoder(webm: bytes, decoder: IsolatedDecoder) -> None:
    here = ContainerDecoder(Media.MATROSKA, limit := LengthLimit(LONG))
    step = len(webm) // 7
    for start in range(0, len(webm), step):
        data = webm[start : start + step]
        assert await joined(decoder.feed(data)) == await joined(here.feed(data))
        resampler, position = here.resampler, decoder.position
        assert (position.fed_s, position.source_samples, position.samples, position.state) == (
            resampler.fed_s,
            resampler.source_samples,
            resampler.samples,
            resampler.state,
        )
        assert decoder._limit.left_samples == limit.left_samples < LONG
    assert await joined(decoder.finish()) == await joined(here.finish())
    await here.close()


async def test_a_refusal_arrives_as_it_is_and_stays() -> None:
    decoder = IsolatedDecoder(Media.FLAC, LengthLimit(LONG))
    for _ in range(2):
        with pytest.raises(SttError, match="the flac data cannot be decoded") as refused:
            await all_of(decoder, b"fLaC" + bytes(3000))
        assert refused.value.code == "bad_audio"
    await decoder.close()


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        (signal.SIGSEGV, "bad_audio", r"the stream crashes its decoder \(SIGSEGV\)"),
        (signal.SIGXCPU, "too_large", "takes far more time than a stream"),
        (signal.SIGKILL, "internal", "the decoder was lost; connect again"),
    ],
)
async def test_the_death_of_one_is_an_error_of_its_stream_alone(
    fault: signal.Signals, code: str, message: str, webm: bytes, decoder: IsolatedDecoder
) -> None:
    other = IsolatedDecoder(Media.MATROSKA, LengthLimit(LONG))
    half = len(webm) // 2
    heard = await joined(other.feed(webm[:half]))
    assert await joined(decoder.feed(webm[:half])) == heard
    os.kill(await pid_of(decoder), fault)
    with pytest.raises(SttError, match=message) as died:
        await joined(decoder.feed(webm[half:]))
    assert died.value.code == code
    assert len(heard + await joined(other.feed(webm[half:])) + await joined(other.finish())) == 5 * 32000
    await other.close()


@pytest.mark.parametrize("fed", [0, 10, 30_000])
async def test_closing_ends_the_process_wherever_it_is(fed: int, webm: bytes, decoder: IsolatedDecoder) -> None:
    if fed:
        await joined(decoder.feed(webm[:fed]))
    pieces = decoder.feed(webm[fed:])
    if fed == 30_000:
        await anext(pieces)
    pid = await pid_of(decoder)
    async with asyncio.timeout(20):
        await pieces.aclose()  # type: ignore[attr-defined]
        await decoder.close()
    until(lambda: not psutil.pid_exists(pid))


async def test_a_close_that_was_cancelled_is_repeated(webm: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a takeover meets a decoder that is being closed between two recordings."""
    wait = process._exit_code

    def slow(ended: Any) -> int | None:
        time.sleep(0.2)
        return wait(ended)

    monkeypatch.setattr(process, "_exit_code", slow)
    decoder = IsolatedDecoder(Media.MATROSKA, LengthLimit(LONG))
    await joined(decoder.feed(webm))
    closing = asyncio.create_task(decoder.close())
    await asyncio.sleep(0.05)
    closing.cancel()
    await asyncio.gather(decoder.close(), decoder.close())
    assert decoder._process.pid is None


async def test_one_that_is_closed_before_it_has_started_leaves_none() -> None:
    decoder = IsolatedDecoder(Media.MATROSKA, LengthLimit(LONG))
    await decoder.close()
    assert decoder._starting.done()
    assert decoder._process.pid is None


async def test_it_has_limits_of_its_own_and_no_network(webm: bytes) -> None:
    decoder = IsolatedDecoder(Media.MATROSKA, LengthLimit(16000 * 1000))
    await joined(decoder.feed(webm))
    pid = await pid_of(decoder)
    limits = status_of(pid, "limits").splitlines()
    soft = {name: line.removeprefix(name).split()[0] for line in limits if (name := line[:26].strip())}
    assert int(soft["Max cpu time"]) == OPEN_CPU_S + 1000 // LEAST_SPEED
    assert soft["Max core file size"] == soft["Max file size"] == "0"
    assert psutil.Process(pid).nice() == psutil.Process().nice()
    await decoder.close()


@pytest.mark.parametrize("name", BOMBS)
async def test_a_stream_costs_no_more_memory_than_allowed(name: str) -> None:
    data = BOMBS[name]()
    decoder = IsolatedDecoder(Media.MOV, LengthLimit(LONG))
    code = ""
    try:
        await all_of(decoder, data)
    except SttError as error:
        code = error.code
    assert code in ("", "bad_audio", "too_large")
    status = status_of(await pid_of(decoder), "status")
    await decoder.close()
    inherited_mb = 80
    assert int(status.partition("VmHWM:")[2].split()[0]) < (MAX_MEMORY_BYTES >> 10) + (inherited_mb << 10)


def status_of(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
