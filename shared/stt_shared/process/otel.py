"""Tracer that sends spans to an OpenTelemetry collector; imported only where there is one.

It reads OTEL_EXPORTER_OTLP_*, OTEL_TRACES_SAMPLER*, OTEL_BSP_* and OTEL_RESOURCE_ATTRIBUTES itself.
"""

import contextlib
import functools
import hashlib
import threading
from collections.abc import Iterator
from importlib import metadata

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Span, StatusCode, set_span_in_context
from opentelemetry.trace import Tracer as ServiceTracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stt_shared.contracts.services import ServiceName
from stt_shared.process.clock import wall_ms
from stt_shared.process.tracing import Attribute, FinishedSpan, Tracer

PATIENCE_S = 2.0
"""Longest wait for the collector when the process ends."""

_propagator = TraceContextTextMapPropagator()


class _Ids(RandomIdGenerator):
    """Random ids, or those that the next root is to have. Spans begin in the thread of the event loop alone."""

    def __init__(self) -> None:
        self.chosen: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return self.chosen[0] if self.chosen else super().generate_trace_id()

    def generate_span_id(self) -> int:
        if self.chosen is None:
            return super().generate_span_id()
        span_id = self.chosen[1]
        self.chosen = None
        return span_id


class OtelTracer(Tracer):
    """Tracer of ``service``, whose spans go to ``processor``.

    A span of another service has that one's name in its resource.
    """

    is_on = True

    def __init__(self, service: ServiceName, processor: SpanProcessor) -> None:
        self._service = service
        self._processor = processor
        self._ids = _Ids()
        self._provider_of = functools.cache(self._provider)
        self._tracer_of = functools.cache(self._tracer)

    @classmethod
    def exporting(cls, service: ServiceName) -> "OtelTracer":
        """Return a tracer whose spans go to the collector that the environment names."""
        return cls(service, BatchSpanProcessor(OTLPSpanExporter()))

    @contextlib.contextmanager
    def root(self, name: str, parent: str, start_ms: float, **attributes: Attribute) -> Iterator[str]:
        """See ``Tracer.root``."""
        span = self._begin(FinishedSpan(name, self._service, start_ms, 0.0, attributes), _context(parent))
        with _ending(span) as traceparent:
            yield traceparent

    @contextlib.contextmanager
    def span(self, name: str, parent: str, **attributes: Attribute) -> Iterator[str]:
        """See ``Tracer.span``."""
        if not parent:
            yield ""
            return
        with self.root(name, parent, wall_ms(), **attributes) as traceparent:
            yield traceparent

    def trace_of(self, seed: str) -> str:
        """See ``Tracer.trace_of``."""
        digest = hashlib.sha256(seed.encode()).digest()
        trace_id = int.from_bytes(digest[:16])
        sampler = self._provider_of(self._service).sampler
        if sampler.should_sample(Context(), trace_id, "").decision is not Decision.RECORD_AND_SAMPLE:
            return ""
        return f"00-{digest[:16].hex()}-{digest[16:24].hex()}-01"

    def record_root(self, span: FinishedSpan, traceparent: str) -> None:
        """See ``Tracer.record_root``."""
        _, trace_id, span_id, _ = traceparent.split("-")
        self._ids.chosen = int(trace_id, 16), int(span_id, 16)
        self._finish(span, Context())

    def record(self, span: FinishedSpan, parent: str) -> None:
        """See ``Tracer.record``."""
        self._finish(span, _context(parent))

    def close(self) -> None:
        """See ``Tracer.close``."""
        # In a thread, since the processor tries each batch for OTEL_EXPORTER_OTLP_TIMEOUT.
        closing = threading.Thread(target=self._processor.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(PATIENCE_S)

    def _finish(self, span: FinishedSpan, context: Context) -> None:
        begun = self._begin(span, context)
        within = set_span_in_context(begun, context)
        for child in span.children:
            self._finish(child, within)
        begun.end(_ns(max(span.start_ms, span.end_ms)))

    def _begin(self, span: FinishedSpan, context: Context) -> Span:
        return self._tracer_of(span.service).start_span(
            span.name, context, attributes=dict(span.attributes), start_time=_ns(span.start_ms)
        )

    def _tracer(self, service: ServiceName) -> ServiceTracer:
        return self._provider_of(service).get_tracer("stt")

    def _provider(self, service: ServiceName) -> TracerProvider:
        resource = Resource.create(
            {"service.name": f"stt-{service}", "service.version": metadata.version("realtime-stt-suite")}
        )
        provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        return provider


@contextlib.contextmanager
def _ending(span: Span) -> Iterator[str]:
    """End the span with what is done inside. It has the type of an error alone: a message may quote what was said."""
    found = span.get_span_context()
    try:
        if not span.is_recording():
            yield ""
            return
        trace_id = f"{found.trace_id:032x}"
        with structlog.contextvars.bound_contextvars(trace_id=trace_id):
            yield f"00-{trace_id}-{found.span_id:016x}-01"
    except BaseException as error:
        span.set_attribute("error.type", type(error).__name__)
        if isinstance(error, Exception):
            span.set_status(StatusCode.ERROR)
        raise
    finally:
        span.end()


def _context(traceparent: str) -> Context:
    return _propagator.extract({"traceparent": traceparent}, Context())


def _ns(at_ms: float) -> int:
    return int(at_ms * 1_000_000)
