"""What operators see: one valid metrics page, and a health that says what is wrong. And file names."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stt_gateway.core.operation.exposition import ReplicaText, merged
from stt_gateway.core.operation.health import free_places, health_view, is_ready
from stt_gateway.core.requests.filenames import MAX_FILENAME_CHARS, shown_filename
from stt_shared.streams.replicas import ReplicaStatus

pytestmark = pytest.mark.unit


def exposed(value: float) -> str:
    registry = CollectorRegistry()
    Counter("jobs", "Jobs.", ["kind"], registry=registry).labels('a "quoted"\\ one\n').inc(value)
    Histogram("wait_seconds", "Waits.", buckets=(0.1, 1), registry=registry).observe(value)
    Gauge("load", "Load: 50 % \\ more", registry=registry).set(value)
    return generate_latest(registry).decode()


def test_a_merged_page_parses_and_announces_every_family_once() -> None:
    page = merged([ReplicaText("gateway", "g1", exposed(1)), ReplicaText("transcriber", "t1", exposed(2))])[0].decode()
    announced = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
    assert sorted(announced) == ["jobs_total", "load", "wait_seconds"]
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert {name: family.type for name, family in families.items()} == {
        "jobs": "counter",
        "wait_seconds": "histogram",
        "load": "gauge",
    }
    loads = {(s.labels["service"], s.labels["replica"]): s.value for s in families["load"].samples}
    assert loads == {("gateway", "g1"): 1.0, ("transcriber", "t1"): 2.0}
    assert {s.labels["kind"] for s in families["jobs"].samples} == {'a "quoted"\\ one\n'}
    assert families["load"].documentation == "Load: 50 % \\ more"


def test_no_two_samples_of_a_page_are_the_same() -> None:
    page = merged([ReplicaText("transcriber", name, exposed(1)) for name in ("t1", "t2", "t3")])[0].decode()
    names = [line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")]
    assert len(names) == len(set(names)) > 10


def test_a_family_that_changed_its_type_keeps_the_first() -> None:
    older, newer = "# TYPE work_total counter\nwork_total 3\n", "# TYPE work gauge\nwork 1\n# TYPE load gauge\nload 5\n"
    page = merged([ReplicaText("a", "1", older), ReplicaText("b", "2", newer)])[0].decode()
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert (families["work"].type, [sample.value for sample in families["work"].samples]) == ("counter", [3.0])
    assert [sample.value for sample in families["load"].samples] == [5.0]


def test_nothing_merged_is_an_empty_page() -> None:
    assert merged([]) == (b"", [])


def test_a_text_that_nobody_can_read_is_left_out_whole_and_told() -> None:
    broken = [
        ReplicaText("a", f"b{n}", "# TYPE load gauge\nload 7\n" + text) for n, text in enumerate(("load{", "load x\n"))
    ]
    page, unreadable = merged([broken[0], ReplicaText("a", "good", exposed(1)), broken[1]])
    assert unreadable == broken
    (load,) = [family for family in text_string_to_metric_families(page.decode()) if family.name == "load"]
    assert [sample.value for sample in load.samples] == [1.0]


def replica(service: str, state: str = "ready", name: str = "1", **more: Any) -> ReplicaStatus:
    return ReplicaStatus(id=f"{service}-{name}", service=service, state=state, started_ms=0, **more)


AUDIO, TRANSCRIBER = replica("audio-processor"), replica("transcriber")


@pytest.mark.parametrize(
    ("replicas", "gateway", "status"),
    [
        ([AUDIO, TRANSCRIBER], "ready", "healthy"),
        ([AUDIO, TRANSCRIBER, replica("transcriber", "starting", "2")], "ready", "healthy"),
        ([AUDIO, TRANSCRIBER, replica("transcriber", "stalled", "2")], "ready", "degraded"),
        ([AUDIO, TRANSCRIBER], "stalled", "degraded"),
        ([AUDIO, replica("transcriber", "stalled")], "ready", "unhealthy"),
        ([AUDIO, replica("transcriber", "starting")], "ready", "unhealthy"),
        ([AUDIO, replica("transcriber", "draining")], "ready", "unhealthy"),
        ([AUDIO], "ready", "unhealthy"),
        ([TRANSCRIBER], "ready", "unhealthy"),
        ([], "ready", "unhealthy"),
        (None, "ready", "unhealthy"),
    ],
)
def test_health_is_the_sum_of_what_replicas_say(
    replicas: list[ReplicaStatus] | None, gateway: str, status: str
) -> None:
    view = health_view(replicas, gateway)
    assert view["status"] == status
    assert view["services"]["redis"] == ("unreachable" if replicas is None else "connected")
    assert view["services"]["gateway"] == gateway


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (["ready", "stalled"], "loaded"),
        (["starting", "stalled"], "loading"),
        (["stalled"], "stalled"),
        (["draining"], "missing"),
        ([], "missing"),
    ],
)
def test_health_names_the_best_state_of_a_service(states: list[str], told: str) -> None:
    view = health_view([replica("transcriber", state, str(n)) for n, state in enumerate(states)], "ready")
    assert (view["services"]["whisper"], view["services"]["audio_processor"]) == (told, "missing")


def test_health_lists_the_replicas_in_a_steady_order() -> None:
    first = replica(
        "transcriber", "stalled", "b", reason="the loop stands", sessions=2, capacity=4, detail={"model": "m"}
    )
    view = health_view([replica("transcriber", name="c"), first, AUDIO], "ready")
    assert [entry["id"] for entry in view["replicas"]] == ["audio-processor-1", "transcriber-b", "transcriber-c"]
    assert view["replicas"][1] == {
        "id": "transcriber-b",
        "service": "transcriber",
        "state": "stalled",
        "reason": "the loop stands",
        "sessions": 2,
        "capacity": 4,
        "detail": {"model": "m"},
    }


def test_free_places_are_those_of_ready_replicas() -> None:
    replicas = [
        replica("transcriber", name="1", sessions=3, capacity=4),
        replica("transcriber", name="2", sessions=9, capacity=4),
        replica("transcriber", "stalled", name="3", sessions=0, capacity=4),
        replica("audio-processor", name="1", sessions=0, capacity=100),
    ]
    assert free_places(replicas, "transcriber") == 1
    assert (is_ready(replicas, "transcriber"), is_ready(replicas[2:], "transcriber")) == (True, False)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("talk.mp3", "talk.mp3"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\talk.mp3", "talk.mp3"),
        ("a/b\\c", "c"),
        ("..", ".."),
        ("folder/", ""),
        ("", ""),
        ("a\x00b\r\nc\x1b[31m.mp3", "abc[31m.mp3"),
        ("\u202egpj.exe\u200b", "gpj.exe"),
        ("  talk.mp3  ", "talk.mp3"),
        ("Grüße 快 \U0001f3a4.mp3", "Grüße 快 \U0001f3a4.mp3"),
        ("\ud800x", "x"),
    ],
)
def test_names_are_fit_to_be_shown(given: str, shown: str) -> None:
    assert shown_filename(given) == shown


def test_long_names_are_cut() -> None:
    assert shown_filename("n" * 10_000) == "n" * MAX_FILENAME_CHARS
    assert len(shown_filename("\U0001f3a4" * 10_000)) == MAX_FILENAME_CHARS
