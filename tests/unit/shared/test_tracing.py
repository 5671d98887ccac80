"""Traces: off without a collector, told clearly what cannot be done, ids the same everywhere, nothing but ids and types
in a span."""

import subprocess
import sys
import threading

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from stt_shared.contracts.services import ServiceName
from stt_shared.process import otel, tracing
from stt_shared.process.otel import OtelTracer
from stt_shared.process.tracing import FinishedSpan, Tracer, set_up_tracing, trace_id_of, tracer

pytestmark = pytest.mark.unit

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
CLIENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class AwayProcessor(SpanProcessor):
    """One whose collector does not answer."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    def shutdown(self) -> None:
        self.may_end.wait()


class Recorded:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer = OtelTracer(ServiceName.GATEWAY, SimpleSpanProcessor(self._exporter))

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tracing, "_tracer", Tracer())


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "otlp"},
        ENDPOINT | {"OTEL_SDK_DISABLED": "true"},
        ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_it_is_off_unless_somebody_collects(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    set_up_tracing(ServiceName.GATEWAY)
    assert not tracer().is_on
    with tracer().root("accept", CLIENT, 0.0) as traceparent:
        assert traceparent == tracer().trace_of("e 1") == ""


def test_what_is_off_imports_no_exporter() -> None:
    code = (
        "import sys, stt_gateway.__main__, stt_audio.__main__, stt_transcriber.__main__\n"
        "from stt_shared.process.tracing import set_up_tracing\n"
        "set_up_tracing('gateway')\n"
        "heavy = ('opentelemetry.exporter', 'opentelemetry.sdk.trace', 'google.protobuf', 'stt_shared.process.otel')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER='zipkin': must be 'otlp' or 'none'"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL='grpc': must be 'http/protobuf'"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "http/json",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL='http/json': must be 'http/protobuf'",
        ),
        (
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "1000000",
            "OTEL_*: max_export_batch_size must be less than or equal to max_queue_size.",
        ),
    ],
)
def test_what_is_not_supported_stops_the_start(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, given in (ENDPOINT | {name: value}).items():
        monkeypatch.setenv(key, given)
    with pytest.raises(SystemExit) as stopped:
        set_up_tracing(ServiceName.GATEWAY)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_the_same_seed_is_the_same_trace_in_every_process(recorded: Recorded) -> None:
    first = recorded.tracer.trace_of("epoch 1")
    assert first == Recorded().tracer.trace_of("epoch 1") != recorded.tracer.trace_of("epoch 2")
    child = FinishedSpan("decode", ServiceName.AUDIO_PROCESSOR, 1000.0, 2000.0)
    recorded.tracer.record_root(FinishedSpan("utterance", ServiceName.GATEWAY, 500.0, 3000.0, children=[child]), first)
    recorded.tracer.record(FinishedSpan("deliver", ServiceName.GATEWAY, 3000.0, 2000.0), first)
    spans = recorded.spans()
    root = spans["utterance"]
    assert root.context is not None
    assert first == f"00-{root.context.trace_id:032x}-{root.context.span_id:016x}-01"
    assert root.parent is None
    assert (root.start_time, root.end_time) == (500_000_000, 3_000_000_000)
    for name in ("decode", "deliver"):
        parent = spans[name].parent
        assert parent is not None
        assert (parent.trace_id, parent.span_id) == (root.context.trace_id, root.context.span_id)
    assert spans["decode"].resource.attributes["service.name"] == "stt-audio-processor"
    assert spans["deliver"].end_time == spans["deliver"].start_time, "a clock that was put back"


def test_a_share_of_the_traces_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    tracer = Recorded().tracer
    assert 200 < sum(bool(tracer.trace_of(f"epoch {number}")) for number in range(1000)) < 300


def test_a_client_that_does_not_sample_is_heeded(recorded: Recorded) -> None:
    with recorded.tracer.root("accept", CLIENT[:-1] + "0", 0.0) as traceparent:
        assert traceparent == ""
    with recorded.tracer.span("decode", traceparent):
        pass
    assert recorded.spans() == {}


@pytest.mark.parametrize("parent", ["", "nonsense", "00-00000000000000000000000000000000-0000000000000000-01"])
def test_a_root_without_a_usable_parent_begins_a_trace(recorded: Recorded, parent: str) -> None:
    with recorded.tracer.root("accept", parent, 0.0):
        pass
    assert recorded.spans()["accept"].parent is None


def test_log_lines_inside_a_span_name_its_trace(recorded: Recorded) -> None:
    with recorded.tracer.root("accept", CLIENT, 0.0) as inner, recorded.tracer.span("decode", inner, job_id="j"):
        assert structlog.contextvars.get_contextvars()["trace_id"] == trace_id_of(CLIENT) == trace_id_of(inner)
    assert "trace_id" not in structlog.contextvars.get_contextvars()
    assert recorded.spans()["decode"].attributes == {"job_id": "j"}


def test_an_error_leaves_its_type_and_nothing_that_was_said(recorded: Recorded) -> None:
    with pytest.raises(ValueError, match="said"), recorded.tracer.span("decode", CLIENT):
        raise ValueError("what was said")
    span = recorded.spans()["decode"]
    assert span.status.status_code is StatusCode.ERROR
    assert "said" not in span.to_json()
    assert span.attributes == {"error.type": "ValueError"}


def test_a_collector_that_is_away_does_not_keep_a_process_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel, "PATIENCE_S", 0.01)
    processor = AwayProcessor()
    OtelTracer(ServiceName.GATEWAY, processor).close()
    processor.may_end.set()


def test_a_service_without_the_packages_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, exporter, None)
    monkeypatch.delitem(sys.modules, "stt_shared.process.otel")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", ENDPOINT["OTEL_EXPORTER_OTLP_ENDPOINT"])
    # Of an installation that is older than the extra, the command names the extra instead.
    packages = r"(opentelemetry|\[otel\])"
    with pytest.raises(SystemExit, match=f"^error: {exporter} is not installed; run: .* -m pip install .*{packages}"):
        set_up_tracing(ServiceName.GATEWAY)
