"""Rules and dashboard for Prometheus and Grafana: their metrics exist, and Prometheus's own tool accepts them."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "deploy" / "monitoring"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian: prometheus) is not installed")
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboards" / "suite.json").read_text())
SHOWN = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def documented() -> set[str]:
    """Names of series, as the table of metrics implies them."""
    names: set[str] = set()
    for name, kind in re.findall(r"^\| `(stt_\w+)` \| (\w+) \|", (ROOT / "docs" / "operations.md").read_text(), re.M):
        names |= {f"{name}_{part}" for part in ("bucket", "count", "sum")} if kind == "histogram" else {name}
    return names


def test_rules_and_dashboard_use_metrics_that_there_are() -> None:
    used = set(re.findall(r"\bstt_\w+", " ".join([*(rule["expr"] for rule in RULES), *SHOWN])))
    assert used <= documented(), used - documented()
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    assert set(re.findall(r"\bstt:[\w:]+", " ".join(SHOWN))) <= recorded


def test_each_alert_says_what_to_do() -> None:
    for rule in RULES:
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("critical", "warning")
            assert {"summary", "action"} == set(rule["annotations"])


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@needs_promtool
def test_the_rules_do_what_their_tests_say() -> None:
    run = subprocess.run(
        [str(PROMTOOL), "test", "rules", "rules_test.yml"], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@needs_promtool
def test_prometheus_can_read_every_panel(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "5m")}
        for number, expr in enumerate(SHOWN)
    ]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run = subprocess.run([str(PROMTOOL), "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
