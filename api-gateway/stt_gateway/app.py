"""Assembly of the gateway's ASGI app."""

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator
from importlib import metadata

import redis
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from stt_gateway.context import GatewayContext, context_of
from stt_gateway.core.requests.access import origin_names
from stt_gateway.core.requests.retry_after import RetryAfter
from stt_gateway.http import docs_page, health, jobs, transcripts
from stt_gateway.http.access import AccessMiddleware, rules_of
from stt_gateway.http.pages import web_pages
from stt_gateway.live.admission import Admission
from stt_gateway.live.connection_limit import Connections
from stt_gateway.live.detached import DetachedSessions
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.engine import database_url
from stt_gateway.store.interface import TranscriptStore
from stt_gateway.store.migrating import migrate
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_gateway.store.writer import StoreWriter
from stt_gateway.ws import legacy, stream, viewer
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms
from stt_shared.process.metrics import ERRORS_TOTAL
from stt_shared.process.tasks import LoopMonitor, cancel_and_wait
from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.client import connect, wait_until_ready
from stt_shared.streams import keys
from stt_shared.streams.sessions import SessionStreams
from stt_shared.work.heartbeat import Heartbeat, ReplicaStatus, new_replica_id

_log = structlog.get_logger()

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


@contextlib.asynccontextmanager
async def transcript_store(settings: GatewaySettings) -> AsyncIterator[TranscriptStore]:
    """Open the store and migrate its tables.

    Raises ValueError for a bad DATABASE_URL, SttError when the database is unreachable, RuntimeError when it cannot be
    used.
    """
    url = database_url(settings.database_url, settings.data_dir)
    if settings.database_url is None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    await migrate(url)
    store = SqlTranscriptStore(url)
    try:
        yield store
    finally:
        await store.close()


def create_app(settings: GatewaySettings) -> FastAPI:
    """Create the ASGI app. Its startup raises redis.ConnectionError when Redis does not answer."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings.spool_dir.mkdir(parents=True, exist_ok=True)
        client = connect(settings.redis_url)
        watch = LoopMonitor()
        watching = asyncio.create_task(watch.run(), name="loop watch")
        replica_id = new_replica_id("gateway")
        started_ms = int(wall_ms())
        try:
            await wait_until_ready(settings.redis_url, settings.redis_wait_s)
            async with transcript_store(settings) as store, ChannelHub(client, keys.replica_channel(replica_id)) as hub:
                parking = DetachedSessions(settings.resume_window_s)
                functions = SessionStreams(client)
                connections = Connections(settings.gateway_max_sessions, settings.max_sessions_per_client)
                heartbeat = Heartbeat(
                    settings.redis_url,
                    replica_id,
                    lambda: ReplicaStatus(
                        id=replica_id,
                        service="gateway",
                        state=services.state,
                        started_ms=started_ms,
                        detail=parking.detail,
                    ),
                    generate_latest,
                )
                services = GatewayContext(
                    settings,
                    replica_id,
                    client,
                    functions,
                    hub,
                    Admission(client, functions, parking),
                    connections,
                    RetryAfter(random.random),
                    parking,
                    store,
                    watch,
                    heartbeat,
                )
                app.state.services = services
                heartbeat.start()
                writer = StoreWriter(client, store, replica_id, settings.transcript_retention_days)
                keeping = [
                    asyncio.create_task(writer.run(), name="store writer"),
                    asyncio.create_task(writer.purge(), name="store purge"),
                    asyncio.create_task(parking.serve(hub, replica_id), name="parking"),
                ]
                try:
                    yield
                finally:
                    await cancel_and_wait(*keeping)
                    await parking.close()
                    await asyncio.to_thread(heartbeat.stop)
        finally:
            await cancel_and_wait(watching)
            await client.aclose()

    app = FastAPI(
        title="Real-time speech-to-text",
        version=metadata.version("realtime-stt-suite"),
        lifespan=lifespan,
        # FastAPI's own pages load scripts from a CDN.
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(stream.router)
    app.include_router(jobs.router)
    app.include_router(viewer.router)
    app.include_router(transcripts.router)
    app.include_router(legacy.router)
    app.include_router(health.router)
    app.include_router(docs_page.router)
    app.include_router(web_pages().router())
    if origins := origin_names(settings.allowed_origins):
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=["Idempotent-Replayed", "Retry-After"],
            allow_private_network=True,
        )
    # The middleware added last runs first.
    app.add_middleware(AccessMiddleware, rules=rules_of(settings))

    @app.exception_handler(SttError)
    async def told(request: Request, error: SttError) -> JSONResponse:
        return _told(request, error)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "bad_message")
        return _error(error.status_code, code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _error(422, "bad_config", "; ".join(problem["msg"] for problem in error.errors()))

    @app.exception_handler(redis.ConnectionError)
    @app.exception_handler(redis.TimeoutError)
    async def away(request: Request, error: Exception) -> JSONResponse:
        _log.warning("request refused: redis unavailable", cause=str(error))
        return _told(request, SttError("unavailable", "the store does not answer; try again"))

    @app.exception_handler(ClientDisconnect)
    async def left(_: Request, __: Exception) -> Response:
        # Nobody reads the response. The code that was reading the request logs the disconnection.
        return Response(status_code=400)

    @app.exception_handler(Exception)
    async def mistake(_: Request, __: Exception) -> JSONResponse:
        # The server logs the traceback; the client gets none.
        return _error(500, "internal", "internal server error; try again")

    return app


def _told(request: Request, error: SttError) -> JSONResponse:
    retry_after_s = context_of(request).retry_after_s(error.kind)
    if retry_after_s is None:
        return _error(error.kind.http_status, error.code, error.message)
    # The header holds whole seconds only, and must not invite a client to return sooner than the body does.
    headers = {"Retry-After": str(math.ceil(retry_after_s))}
    return _error(error.kind.http_status, error.code, error.message, headers, retry_after_s=retry_after_s)


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: float) -> JSONResponse:
    ERRORS_TOTAL.labels(code).inc()
    return JSONResponse({"error": {"code": code, "message": message, **more}}, status, headers)
