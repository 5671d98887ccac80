"""Routes ``GET /health``, ``/health/live`` and ``/metrics``."""

import asyncio
import contextlib

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import Counter, generate_latest

from stt_gateway.authorize import needs, principal_if_any, public
from stt_gateway.context import GatewayContext, context_of
from stt_gateway.core.operation.exposition import ReplicaText, merged
from stt_gateway.core.operation.health import NEARLY_FULL, NEARLY_FULL_SHARE, health_view, used_share
from stt_gateway.core.requests.principal import Scope
from stt_gateway.http.openapi import success
from stt_shared.contracts.services import ServiceName
from stt_shared.redis.outage import REDIS_ERRORS, UNREACHABLE, Refused, redis_state
from stt_shared.streams.replicas import ReplicaStatus

_log = structlog.get_logger()

UNREADABLE = Counter(
    "stt_metrics_unreadable_total",
    "Times that a replica's metrics were dropped because they could not be parsed.",
    ["service"],
)

REDIS_ANSWER_S = 1.0

router = APIRouter(tags=["operation"])


@router.get("/health", responses=success("No live session can be served.", status=503))
@public
async def health(request: Request) -> JSONResponse:
    """Return the state of each service; 503 when no live session could be served.

    A client without a credential that the server accepts gets only the ``status``; one with an invitation also the
    states of the services, without their replicas.
    """
    context = context_of(request)
    replicas = await _replicas(context)
    gateway_state = context.replica.status().state
    if replicas is not None and gateway_state == "ready":
        gateway_state = "ready" if context.replica.id in {replica.id for replica in replicas} else "missing"
    view = health_view(replicas, gateway_state, await _redis_state(context))
    status = 503 if view["status"] == "unhealthy" else 200
    principal = await principal_if_any(request, context.authorize)
    if principal is None:
        view = {"status": view["status"]}
    elif principal.invited is not None:
        view = {name: view[name] for name in ("status", "services")}
    return JSONResponse(view, status)


@router.get("/health/live")
@public
async def live() -> JSONResponse:
    """Answer that this process is alive, without checking anything else."""
    return JSONResponse({"status": "alive"})


@router.get("/api/stt/healthcheck", include_in_schema=False)
@public
async def legacy_healthcheck() -> PlainTextResponse:
    """Answer clients of the older API that this gateway is up."""
    return PlainTextResponse("Yes, I'm ok")


@router.get("/metrics", response_class=PlainTextResponse)
@needs(Scope.METRICS)
async def metrics(request: Request) -> Response:
    """Return the Prometheus text of this gateway and of every living replica; unreadable texts are left out."""
    context = context_of(request)
    texts = [ReplicaText(ServiceName.GATEWAY, context.replica.id, generate_latest().decode())]
    replicas = [replica for replica in await _replicas(context) or [] if replica.id != context.replica.id]
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
    page, unreadable = merged(texts)
    for text in unreadable:
        UNREADABLE.labels(text.service).inc()
    # Log each replica once: metrics are requested every few seconds.
    for replica_id in {text.replica for text in unreadable} - context.logged_unreadable:
        _log.warning("replica metrics dropped: cannot be parsed", replica=replica_id)
        context.logged_unreadable.add(replica_id)
    context.logged_unreadable.intersection_update(replica.id for replica in replicas)
    return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _replicas(context: GatewayContext) -> list[ReplicaStatus] | None:
    try:
        async with asyncio.timeout(REDIS_ANSWER_S):
            return await context.bus.replicas.living()
    except (*UNREACHABLE, TimeoutError):
        return None


async def _redis_state(context: GatewayContext) -> str:
    """Return whether Redis accepts writes, according to the heartbeat, serves this user, and is not nearly full."""
    if context.heartbeat.trouble:
        return context.heartbeat.trouble
    try:
        async with asyncio.timeout(REDIS_ANSWER_S):
            await context.bus.check_rights()
    except Refused as error:
        return redis_state(error)
    except (*UNREACHABLE, TimeoutError):
        pass  # if it lasts, the heartbeat is missing
    # INFO may be forbidden to this user.
    with contextlib.suppress(*REDIS_ERRORS, TimeoutError):
        async with asyncio.timeout(REDIS_ANSWER_S):
            if used_share(await context.bus.memory_info()) > NEARLY_FULL_SHARE:
                return NEARLY_FULL
    return "connected"
