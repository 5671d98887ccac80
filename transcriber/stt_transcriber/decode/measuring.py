"""Measurement of the model's speed at the start, and later whenever no session shows it."""

import asyncio

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
    return Speed(min(took))


async def keep_measured(pool: ModelPool, speed: Speed) -> None:
    """Measure while no drafts show what they cost. Runs until cancelled."""
    while True:
        await asyncio.sleep(speed.next_s(with_files=pool.decodes_files))
        encode_ms = None
        while pool.load.needs_measurement(monotonic_ms()) and encode_ms is None:
            try:
                encode_ms = await pool.measure(window())
            except Exception:
                # No session depends on this decode; sessions get the errors of their own decodes.
                _log.exception("speed not measured")
                break
            if encode_ms is None:
                await asyncio.sleep(IDLE_RETRY_S)
        if encode_ms is not None:
            speed.measured(encode_ms)
            pool.load.measured(draft_ms(speed.encode_ms), monotonic_ms())
