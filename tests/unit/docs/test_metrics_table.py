"""The table of metrics in docs/operations.md says what the registry says."""

import importlib
import re
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

pytestmark = pytest.mark.unit

DOC = Path(__file__).parents[3] / "docs" / "operations.md"
MODULES = (
    "stt_shared.process.metrics",
    "stt_gateway.http.metrics",
    "stt_gateway.outbound.callbacks",
    "stt_gateway.outbound.fetches",
    "stt_transcriber.metrics",
)


def rows() -> set[str]:
    """The table's rows: metrics of the suite, not those that the Prometheus client adds about the process."""
    declared = [metric for module in MODULES for metric in vars(importlib.import_module(module)).values()]
    return {row(metric) for metric in declared if isinstance(metric, Counter | Gauge | Histogram)}


def row(metric: Counter | Gauge | Histogram) -> str:
    (family,) = metric.describe()
    name = family.name + ("_total" if family.type == "counter" else "")
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    return f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


def test_the_table_of_metrics_is_what_the_code_declares() -> None:
    documented = [line for line in DOC.read_text().splitlines() if line.startswith("| `stt_") and line.count("|") == 5]
    assert sorted(documented) == sorted(rows())


def test_every_metric_of_the_code_stands_in_the_table() -> None:
    sources = "".join(path.read_text() for path in DOC.parents[1].glob("*/stt_*/**/*.py"))
    declared = re.findall(r'(?:Counter|Gauge|Histogram)\(\s*"(stt_\w+)"', sources)
    assert sorted(declared) == sorted(row.split("`")[1] for row in rows())
