#!/usr/bin/env python3
"""Cost of traces in CPU time: what is left of them when they are off, and what a traced utterance takes.

Off: the question that each frame and each decode asks, a step of a job, and the head of an event, read with and
without its field. On: all that the transcriber does for an utterance of five seconds with ten decodes, with what
encodes and sends it left out, which a thread of its own does. Each figure is the least of many runs, so that other
work on the machine does not count.
"""

import argparse
import time
from collections.abc import Callable

import msgspec
import numpy as np
import structlog
from common import write_result
from opentelemetry.sdk.trace import SpanProcessor

from stt_gateway.core.live.outbox import EventHead
from stt_shared.contracts.events import Final
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.services import ServiceName
from stt_shared.process import tracing
from stt_shared.process.clock import wall_ms
from stt_shared.process.otel import OtelTracer
from stt_shared.streams.keys import session_keys
from stt_shared.streams.ownership import Ownership
from stt_transcriber.core.decoding import TurnRequest
from stt_transcriber.core.live.utterance import Ticket, Utterance
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.core.text.agreement import Agreement
from stt_transcriber.decode.pool import Decoded
from stt_transcriber.live.utterance_trace import UtteranceTraces

RUNS = 40
UTTERANCE_MS, DECODES = 5000, 10
PCM = bytes(3200)
PARTIAL = (
    b'{"event":8,"type":"partial","session_id":"s","text":"Ever tried.","new_text":"tried.","stable":"Ever",'
    b'"unstable":"tried.","confidence":0.7,"timestamp":"2026-01-01T12:00:02.785Z","utterance":1,"start_ms":20,'
    b'"end_ms":1020,"lag_ms":440}'
)


class HeadBefore(msgspec.Struct, frozen=True):
    type: str
    event: int
    utterance: int = 0
    channel: int | None = None
    code: str = ""


class Nowhere(SpanProcessor):
    """Where spans end."""


class Session:
    traces: UtteranceTraces | None = None


def least_us(call: Callable[[], object], times: int) -> float:
    """Microseconds of CPU for one call."""
    took_s = []
    for _ in range(RUNS):
        began = time.thread_time()
        for _ in range(times):
            call()
        took_s.append(time.thread_time() - began)
    return min(took_s) / times * 1e6


def off() -> dict[str, float]:
    session = Session()

    def ask() -> None:
        if session.traces is not None:
            raise AssertionError

    def step() -> None:
        with tracing.tracer().span("decode", "", job_id="j"):
            pass

    before, now = msgspec.json.Decoder(HeadBefore).decode, msgspec.json.Decoder(EventHead).decode
    return {
        "question_us": least_us(ask, 20_000) - least_us(lambda: None, 20_000),
        "step_of_a_job_us": least_us(step, 5000),
        "event_head_before_us": least_us(lambda: before(PARTIAL), 5000),
        "event_head_us": least_us(lambda: now(PARTIAL), 5000),
    }


def on() -> dict[str, float]:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    tracing._tracer = OtelTracer(ServiceName.TRANSCRIBER, Nowhere())
    traces = UtteranceTraces(Ownership(session_keys("s"), "epoch"), "t")
    request = TurnRequest(np.zeros(0, np.float32))
    number = 0

    def utterance() -> None:
        nonlocal number
        begin_ms, end_ms = number * UTTERANCE_MS, (number + 1) * UTTERANCE_MS
        number += 1
        for at_ms in range(begin_ms, end_ms, 100):
            meta = FrameMeta(wall_ms(), 16 * at_ms, 1.0, 1.0, wall_ms())
            traces.heard(Frame(at_ms, FrameKind.AUDIO, PCM, meta), wall_ms())
        ticket = Ticket(Kind.PARTIAL, 16 * begin_ms, 16 * end_ms, request, Utterance(0, Agreement(0)))
        for _ in range(DECODES):
            traces.began(ticket)
            traces.ended(Decoded(None, 1.0, 1.0))
        final = Final(
            session_id="s", text="", confidence=1.0, timestamp="", utterance=number, start_ms=begin_ms, end_ms=end_ms,
            language="en", words=[], committed_ms=end_ms, traceparent=traces.traceparent(number),
        )  # fmt: skip
        traces.told(final, wall_ms())

    return {"utterance_us": least_us(utterance, 20)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out")
    args = parser.parse_args()
    figures = {name: round(value, 3) for name, value in (off() | on()).items()}
    write_result(args.out, "trace_cost", figures)


if __name__ == "__main__":
    main()
