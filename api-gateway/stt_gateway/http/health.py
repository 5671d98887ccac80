"""Routes ``GET /health`` and ``/health/live``."""

import asyncio
import contextlib

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from stt_gateway.authorize import principal_if_any, public
from stt_gateway.context import GatewayContext, context_of
from stt_gateway.core.operation.health import NEARLY_FULL, NEARLY_FULL_SHARE, health_view, used_share
from stt_gateway.http.openapi import success
from stt_shared.redis.outage import REDIS_ERRORS, UNREACHABLE, Refused, redis_state
from stt_shared.streams.replicas import ReplicaStatus

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
    replicas = await living_replicas(context)
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


async def living_replicas(context: GatewayContext) -> list[ReplicaStatus] | None:
    """Return the replicas with a heartbeat; None when Redis does not answer."""
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
