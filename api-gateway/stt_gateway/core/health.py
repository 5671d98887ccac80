"""What the replicas' own words make of the whole: healthy, degraded or unhealthy."""

from collections.abc import Sequence
from typing import Any, Protocol

AUDIO_PROCESSOR = "audio-processor"
TRANSCRIBER = "transcriber"


class Replica(Protocol):
    """What a replica says of itself, as far as it matters here."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def service(self) -> str: ...  # noqa: D102
    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def sessions(self) -> int: ...  # noqa: D102
    @property
    def capacity(self) -> int: ...  # noqa: D102
    @property
    def detail(self) -> dict[str, Any]: ...  # noqa: D102


def is_ready(replicas: Sequence[Replica], service: str) -> bool:
    """Some replica of ``service`` takes work."""
    return any(replica.service == service and replica.state == "ready" for replica in replicas)


def free_places(replicas: Sequence[Replica], service: str) -> int:
    """Sessions that the ready replicas of ``service`` still take."""
    return sum(
        max(0, replica.capacity - replica.sessions)
        for replica in replicas
        if replica.service == service and replica.state == "ready"
    )


def health_view(replicas: Sequence[Replica] | None, gateway_state: str) -> dict[str, Any]:
    """The body of GET /health; ``replicas`` None when Redis does not answer."""
    known = replicas or ()
    audio, whisper = _service_state(known, AUDIO_PROCESSOR), _service_state(known, TRANSCRIBER)
    if replicas is None or audio != "ready" or whisper != "ready":
        status = "unhealthy"
    elif gateway_state != "ready" or any(replica.state == "stalled" for replica in known):
        status = "degraded"
    else:
        status = "healthy"
    return {
        "status": status,
        "services": {
            "redis": "unreachable" if replicas is None else "connected",
            "gateway": gateway_state,
            "audio_processor": audio,
            "whisper": {"ready": "loaded", "starting": "loading"}.get(whisper, whisper),
        },
        "replicas": [
            {
                "id": replica.id,
                "service": replica.service,
                "state": replica.state,
                "reason": replica.reason,
                "sessions": replica.sessions,
                "capacity": replica.capacity,
                "detail": replica.detail,
            }
            for replica in sorted(known, key=lambda replica: (replica.service, replica.id))
        ],
    }


def _service_state(replicas: Sequence[Replica], service: str) -> str:
    states = {replica.state for replica in replicas if replica.service == service}
    return next((state for state in ("ready", "starting", "stalled") if state in states), "missing")
