"""Measurement of the model's speed, at the start and while it runs, so that a busy start has no lasting effect."""

import asyncio
from collections.abc import Callable

import numpy as np
import structlog

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.process.clock import monotonic_ms
from stt_transcriber.core.decoding import DecodeRequest
from stt_transcriber.core.schedule.pacing import draft_ms
from stt_transcriber.core.schedule.speed import Speed
from stt_transcriber.decode.pool import ModelPool
from stt_transcriber.engines.base import Engine

_log = structlog.get_logger()

MEASURE_EVERY_S = 15.0
IDLE_RETRY_S = 0.25
_FIRST_COUNT = 8
_FIRST_MS = 1000.0


def window() -> DecodeRequest:
    """Return a request with six seconds of silence, so that hardly any text is decoded."""
    return DecodeRequest(np.zeros(6 * AUDIO_RATE_HZ, np.float32), "en")


def measure_first(engine: Engine) -> Speed:
    """Return the speed by the fastest of several decodes, since other services start at the same time."""
    took: list[float] = []
    while len(took) < _FIRST_COUNT and sum(took) < _FIRST_MS:
        began = monotonic_ms()
        engine.decode([window()])
        took.append(monotonic_ms() - began)
    return Speed(engine.parallel, min(took), monotonic_ms())


async def keep_measured(pool: ModelPool, speed: Speed, on_change: Callable[[int], None]) -> None:
    """Measure regularly and call ``on_change`` with the number of places whenever it changes. Runs until cancelled."""
    wait_s = MEASURE_EVERY_S
    while True:
        await asyncio.sleep(wait_s)
        wait_s = MEASURE_EVERY_S
        try:
            encode_ms = await pool.measure(window())
        except Exception:
            # No session depends on this decode; sessions get the errors of their own decodes.
            _log.exception("speed not measured")
            continue
        if encode_ms is None:
            wait_s = IDLE_RETRY_S
            continue
        before = speed.places
        speed.measured(encode_ms, monotonic_ms())
        pool.load.measured(draft_ms(speed.encode_ms), monotonic_ms())
        if speed.places != before:
            _log.info("places changed", places=speed.places, before=before)
            on_change(speed.places)
