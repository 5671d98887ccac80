"""Health of the whole suite from the replicas' own reports: healthy, degraded or unhealthy."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from stt_shared.contracts.services import ServiceName, TranscriberWork

NEARLY_FULL = "nearly_full"
REDIS_SERVES = ("connected", NEARLY_FULL)
NEARLY_FULL_SHARE = 0.8
"""Share of ``maxmemory`` above which Redis is close to refusing writes."""
REFUSING_SHARE = 0.9
"""Share of ``maxmemory`` above which nothing new is begun, so that what has begun can end."""


class Replica(Protocol):
    """Report of a replica about itself, as far as it is used here."""

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
    """Return whether any replica of ``service`` accepts work."""
    return any(replica.service == service and replica.state == "ready" for replica in replicas)


def working_on(replicas: Sequence[Replica], work: TranscriberWork) -> list[Replica]:
    """Return the replicas without the transcribers that do not work on ``work``, live sessions or files."""
    return [replica for replica in replicas if replica.detail.get("work", work) in (work, TranscriberWork.ALL)]


def free_places(replicas: Sequence[Replica], service: str) -> int:
    """Return how many more sessions the ready replicas of ``service`` accept."""
    return sum(
        max(0, replica.capacity - replica.sessions)
        for replica in replicas
        if replica.service == service and replica.state == "ready"
    )


def all_places(replicas: Sequence[Replica], service: str) -> int:
    """Return how many sessions the ready replicas of ``service`` accept in all."""
    return sum(replica.capacity for replica in replicas if replica.service == service and replica.state == "ready")


def places_of_one_gateway(replicas: Sequence[Replica]) -> int:
    """Return how many sessions one gateway may admit before it reads the replicas' reports again.

    Gateways do not know of each other's newcomers, so each has its part of the free places, and at least one.
    """
    free = free_places(replicas, ServiceName.TRANSCRIBER)
    gateways = sum(replica.service == ServiceName.GATEWAY and replica.state == "ready" for replica in replicas)
    return -(-free // max(1, gateways))


def used_share(memory: Mapping[str, Any]) -> float:
    """Return the share of ``maxmemory`` in use according to INFO memory; 0 for a server without ``maxmemory``."""
    limit_bytes = int(memory.get("maxmemory", 0))
    return int(memory.get("used_memory", 0)) / limit_bytes if limit_bytes > 0 else 0.0


def health_view(
    replicas: Sequence[Replica] | None, gateway_state: str, redis_state: str = "connected"
) -> dict[str, Any]:
    """Build the body of GET /health; ``replicas`` is None when Redis does not answer."""
    if replicas is None:
        redis_state = "unreachable"
    known = replicas or ()
    live = working_on(known, TranscriberWork.LIVE)
    audio, whisper = _service_state(live, ServiceName.AUDIO_PROCESSOR), _service_state(live, ServiceName.TRANSCRIBER)
    if redis_state not in REDIS_SERVES or audio != "ready" or whisper != "ready":
        status = "unhealthy"
    elif redis_state != "connected" or gateway_state != "ready" or any(replica.state == "stalled" for replica in known):
        status = "degraded"
    else:
        status = "healthy"
    return {
        "status": status,
        "services": {
            "redis": redis_state,
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
