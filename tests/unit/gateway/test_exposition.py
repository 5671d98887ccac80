"""One valid metrics page made of those of all replicas."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stt_gateway.core.operation.exposition import ReplicaText, merged

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
