"""Traces of utterances and jobs (docs/adr/0035-traces.md); off unless a collector is named.

Places in a trace are named by W3C `traceparent`s, which travel in records and messages; '' is none. Spans hold ids and
figures, never audio, texts, prompts or names of files.
"""

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from stt_shared.contracts.services import ServiceName
from stt_shared.process.extras import naming_missing_packages

Attribute = str | int | float

_OTLP = "OTEL_EXPORTER_OTLP"


@dataclass(frozen=True)
class FinishedSpan:
    """What ``service`` did from ``start_ms`` to ``end_ms`` (wall clock), and what belongs to it."""

    name: str
    service: ServiceName
    start_ms: float
    end_ms: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    children: Sequence["FinishedSpan"] = ()


class Tracer:
    """Tracer that records nothing."""

    is_on = False

    def root(
        self, name: str, parent: str, start_ms: float, **attributes: Attribute
    ) -> contextlib.AbstractContextManager[str]:
        """Enter to run what begins or continues a trace; yields its traceparent, '' if it is not sampled."""
        return contextlib.nullcontext("")

    def span(self, name: str, parent: str, **attributes: Attribute) -> contextlib.AbstractContextManager[str]:
        """Enter to run a step of ``parent``, a traceparent; nothing is recorded if that is ''.

        Log lines written inside have its `trace_id`.
        """
        return contextlib.nullcontext("")

    def trace_of(self, seed: str) -> str:
        """Return the root of a trace that is the same for the same seed in every process; '' if it is not sampled."""
        return ""

    def record_root(self, span: FinishedSpan, traceparent: str) -> None:
        """Record the span that ``trace_of`` has named."""

    def record(self, span: FinishedSpan, parent: str) -> None:
        """Record a span that belongs to ``parent``."""

    def close(self) -> None:
        """Send what is recorded, before the process ends; a collector that is away is not waited for."""


_tracer = Tracer()


def tracer() -> Tracer:
    """Return the tracer of this process."""
    return _tracer


def set_up_tracing(service: ServiceName) -> None:
    """Trace if the environment names a collector; exit with a line if it asks for what cannot be done."""
    global _tracer
    if not _is_wanted(os.environ):
        return
    with naming_missing_packages("otel"):
        from stt_shared.process.otel import OtelTracer
    try:
        _tracer = OtelTracer.exporting(service)
    except ValueError as error:
        _refuse(f"OTEL_*: {error}")


def trace_id_of(traceparent: str) -> str:
    """Return the id of the trace, as log lines have it."""
    return traceparent.split("-")[1] if traceparent else ""


def _is_wanted(environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if not (environ.get(f"{_OTLP}_ENDPOINT") or environ.get(f"{_OTLP}_TRACES_ENDPOINT")):
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter == "none":
        return False
    if exporter != "otlp":
        _refuse(f"OTEL_TRACES_EXPORTER={exporter!r}: must be 'otlp' or 'none'")
    for name in (f"{_OTLP}_TRACES_PROTOCOL", f"{_OTLP}_PROTOCOL"):
        if protocol := environ.get(name):
            if protocol != "http/protobuf":
                _refuse(f"{name}={protocol!r}: must be 'http/protobuf'")
            break
    return True


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    raise SystemExit(2)
