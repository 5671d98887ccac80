"""The state that a replica's heartbeat writes for its container's health check, with a real server and without."""

from pathlib import Path

import pytest
from support.gateway_harness import until
from support.ports import free_port

from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work.health_file import HealthFile, find_problem
from stt_shared.work.heartbeat import Heartbeat

pytestmark = pytest.mark.contract


async def test_a_heartbeat_writes_what_it_reports_and_what_is_wrong_with_redis(redis_url: str, tmp_path: Path) -> None:
    path = tmp_path / "health"
    state = ["starting"]

    def describe() -> ReplicaStatus:
        return ReplicaStatus(id="r1", service="transcriber", state=state[0], started_ms=1, reason="loading")

    def problem() -> str | None:
        return find_problem(path, path.stat().st_mtime, ignore_redis=False) if path.exists() else "missing"

    heartbeat = Heartbeat(redis_url, "r1", describe, bytes, HealthFile(path))
    heartbeat.start()
    try:
        await until(lambda: problem() == "the replica is starting: loading")
        state[0] = "ready"
        await until(lambda: problem() is None)
    finally:
        heartbeat.stop()

    away = Heartbeat(f"redis://127.0.0.1:{free_port()}/0", "r1", describe, bytes, HealthFile(path))
    away.start()
    try:
        await until(lambda: (problem() or "").startswith("Redis: "))
    finally:
        away.stop()
