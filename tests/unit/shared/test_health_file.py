"""The file in which a health check finds the state of a replica."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stt_shared.contracts.services import ServiceName
from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work.health_file import STALE_S, HealthFile, find_problem
from stt_shared.work.heartbeat import Heartbeat

pytestmark = pytest.mark.unit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "health"


def problem(path: Path, *, after_s: float = 0.0, ignore_redis: bool = False) -> str | None:
    return find_problem(path, path.stat().st_mtime + after_s, ignore_redis=ignore_redis)


@pytest.mark.parametrize("state", ["ready", "draining"])
def test_a_replica_at_work_is_well(path: Path, state: str) -> None:
    HealthFile(path).write(state, "", "")
    assert problem(path) is None


@pytest.mark.parametrize("state", ["starting", "stalled"])
def test_a_replica_that_does_nothing_is_reported_with_its_reason(path: Path, state: str) -> None:
    HealthFile(path).write(state, "a decode hangs", "")
    assert problem(path) == f"the replica is {state}: a decode hangs"


def test_a_replica_that_has_stopped_renewing_is_dead_and_one_that_says_the_same_again_lives(path: Path) -> None:
    file = HealthFile(path)
    file.write("ready", "", "")
    assert problem(path, after_s=STALE_S + 1) == "no heartbeat for 11 s"
    os.utime(path, (0, 0))
    file.write("ready", "", "")
    assert path.stat().st_mtime > 0


def test_a_redis_that_is_away_is_a_problem_unless_it_is_to_be_ignored(path: Path) -> None:
    HealthFile(path).write("ready", "", "unavailable")
    assert problem(path) == "Redis: unavailable"
    assert problem(path, ignore_redis=True) is None


def test_the_newest_state_counts(path: Path) -> None:
    file = HealthFile(path)
    file.write("starting", "loading the model", "")
    file.write("ready", "", "")
    assert problem(path) is None
    assert os.listdir(path.parent) == ["health"]


def test_a_file_that_somebody_has_removed_is_written_again(path: Path) -> None:
    file = HealthFile(path)
    file.write("ready", "", "")
    path.unlink()
    file.write("ready", "", "")
    assert problem(path) is None


def test_a_heartbeat_goes_on_after_a_file_that_could_not_be_written_and_a_state_that_could_not_be_told(
    tmp_path: Path,
) -> None:
    told = iter([RuntimeError("changed during iteration"), *[status("ready")] * 10_000])

    def describe() -> ReplicaStatus:
        found = next(told)
        if isinstance(found, Exception):
            raise found
        return found

    path = tmp_path / "later" / "health"
    heartbeat = Heartbeat("unix:///nowhere/redis", "r", describe, bytes, HealthFile(path))
    with capture_logs() as logs:
        heartbeat._write_health()
        heartbeat._write_health()
        path.parent.mkdir()
        heartbeat._write_health()
    assert problem(path) is None
    assert [line["event"] for line in logs] == ["health file not written"]


def status(state: str) -> ReplicaStatus:
    return ReplicaStatus(id="r", service=ServiceName.TRANSCRIBER, state=state, started_ms=0)


def check(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "stt_shared.work.healthcheck", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_command_exits_as_a_health_check_must(path: Path) -> None:
    missing = check(HEALTH_FILE=str(path))
    assert (missing.returncode, missing.stderr) == (1, "no replica has started\n")
    HealthFile(path).write("ready", "", "unavailable")
    assert check(HEALTH_FILE=str(path)).returncode == 1
    assert check("--ignore-redis", HEALTH_FILE=str(path)).returncode == 0
    assert check().returncode == 2


def test_the_command_imports_nothing_that_costs_time() -> None:
    code = "import sys, stt_shared.work.healthcheck; print(*sys.modules)"
    imported = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"redis", "pydantic", "asyncio"} & set(imported)
