"""Route ``GET /metrics``: Prometheus text of all replicas, and of what concerns the suite as a whole."""

import asyncio
from collections.abc import Sequence

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from stt_gateway.authorize import needs
from stt_gateway.context import GatewayContext, context_of
from stt_gateway.core.operation.exposition import ReplicaText, merged
from stt_gateway.core.requests.principal import Scope
from stt_gateway.http.health import REDIS_ANSWER_S, living_replicas
from stt_shared.contracts.errors import ERRORS
from stt_shared.contracts.services import ServiceName
from stt_shared.process.clock import wall_ms
from stt_shared.process.metrics import ERRORS_TOTAL
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.job_backlog import read_backlog
from stt_shared.streams.replicas import ReplicaStatus

_log = structlog.get_logger()

UNREADABLE = Counter(
    "stt_metrics_unreadable_total",
    "Times that a replica's metrics were dropped because they could not be parsed.",
    ["of"],
)
LIVE_WAITING = Gauge("stt_live_waiting", "Clients that were refused for want of workers and told when to return.")
# From the start, since Prometheus sees no increase in a series that begins with its first error.
for _code in ERRORS:
    ERRORS_TOTAL.labels(_code)

# Read when somebody asks, and not part of a replica's own text, which others may show when it is old.
SUITE = CollectorRegistry()
REPLICAS = Gauge("stt_replicas", "Living replicas, by service and state.", ["of", "state"], registry=SUITE)
JOBS_WAITING = Gauge("stt_jobs_waiting", "Files of which nothing is transcribed yet.", registry=SUITE)
JOBS_AUDIO_S = Gauge(
    "stt_jobs_audio_seconds", "Seconds of audio left to transcribe in files whose length is known.", registry=SUITE
)
JOBS_OLDEST_WAIT_S = Gauge(
    "stt_jobs_oldest_wait_seconds", "Age of the oldest file of which nothing is transcribed yet.", registry=SUITE
)

router = APIRouter(tags=["operation"])


@router.get("/metrics", response_class=PlainTextResponse)
@needs(Scope.METRICS)
async def metrics(request: Request) -> Response:
    """Return the Prometheus text of this gateway and of every living replica; unreadable texts are left out."""
    context = context_of(request)
    texts = [ReplicaText(ServiceName.GATEWAY, context.replica.id, generate_latest().decode())]
    living = await living_replicas(context) or []
    replicas = [replica for replica in living if replica.id != context.replica.id]
    try:
        others = await context.bus.replicas.metrics(replicas)
    except UNREACHABLE as error:
        _log.warning("replica metrics not read", cause=str(error))
        others = {}
    texts += [
        ReplicaText(replica.service, replica.id, others[replica.id].decode(errors="replace"))
        for replica in replicas
        if replica.id in others
    ]
    texts += await _suite_text(context, living)
    page, unreadable = merged(texts)
    for text in unreadable:
        UNREADABLE.labels(text.service).inc()
    # Log each replica once: metrics are requested every few seconds.
    for replica_id in {text.replica for text in unreadable} - context.logged_unreadable:
        _log.warning("replica metrics dropped: cannot be parsed", replica=replica_id)
        context.logged_unreadable.add(replica_id)
    context.logged_unreadable.intersection_update(replica.id for replica in replicas)
    return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _suite_text(context: GatewayContext, living: Sequence[ReplicaStatus]) -> list[ReplicaText]:
    try:
        async with asyncio.timeout(REDIS_ANSWER_S):
            backlog = await read_backlog(context.bus.pipeline, wall_ms())
    except (*UNREACHABLE, TimeoutError) as error:
        _log.warning("backlog of files not read", cause=str(error))
        return []
    REPLICAS.clear()
    for replica in living:
        REPLICAS.labels(replica.service, replica.state).inc()
    JOBS_WAITING.set(backlog.jobs)
    JOBS_AUDIO_S.set(backlog.audio_s)
    JOBS_OLDEST_WAIT_S.set(backlog.oldest_wait_s)
    return [ReplicaText("suite", "", generate_latest(SUITE).decode())]
