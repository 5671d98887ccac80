"""The health that operators see: what is wrong, and where."""

from typing import Any

import pytest

from stt_gateway.core.operation.health import free_places, health_view, is_ready
from stt_shared.streams.replicas import ReplicaStatus

pytestmark = pytest.mark.unit


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
        ([AUDIO, replica("transcriber", detail={"work": "files"})], "ready", "unhealthy"),
        ([AUDIO, replica("transcriber", detail={"work": "live"})], "ready", "healthy"),
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
    ("states", "expected"),
    [
        (["ready", "stalled"], "loaded"),
        (["starting", "stalled"], "loading"),
        (["stalled"], "stalled"),
        (["draining"], "missing"),
        ([], "missing"),
    ],
)
def test_health_names_the_best_state_of_a_service(states: list[str], expected: str) -> None:
    view = health_view([replica("transcriber", state, str(n)) for n, state in enumerate(states)], "ready")
    assert (view["services"]["whisper"], view["services"]["audio_processor"]) == (expected, "missing")


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
