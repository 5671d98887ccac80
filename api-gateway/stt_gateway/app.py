"""Assembly of the gateway's ASGI app."""

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from fastapi import Depends, FastAPI
from fastapi.routing import iter_route_contexts
from prometheus_client import generate_latest
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection

from stt_gateway.authorize import AllowAll, Authorize, authorize, declared_scopes
from stt_gateway.context import GatewayContext, context_of
from stt_gateway.core.requests.access import origin_names
from stt_gateway.core.requests.principal import LOCAL
from stt_gateway.core.requests.proxies import root_path, trusted_proxies
from stt_gateway.core.requests.retry_after import RetryAfter
from stt_gateway.http import (
    conversations,
    deepgram,
    docs_page,
    health,
    jobs,
    keys,
    metrics,
    openai,
    sign_in,
    speakers,
    tenants,
    transcripts,
    usage,
)
from stt_gateway.http import openai_realtime as client_secrets
from stt_gateway.http.access import AccessMiddleware, rules_of
from stt_gateway.http.allowances import ALLOWANCE_HEADERS, AllowanceMiddleware
from stt_gateway.http.audit import AuditMiddleware
from stt_gateway.http.callback_bodies import callback_told
from stt_gateway.http.errors import add_error_handlers
from stt_gateway.http.head import HeadMiddleware
from stt_gateway.http.headers import HeadersMiddleware
from stt_gateway.http.held_requests import most_held
from stt_gateway.http.open_files import soft_limit
from stt_gateway.http.openapi import EVERYWHERE
from stt_gateway.http.pages import web_pages
from stt_gateway.http.proxies import ProxyMiddleware
from stt_gateway.http.slashes import SlashRedirect
from stt_gateway.keys.accounts import Accounts
from stt_gateway.keys.administration import KeyAdministration
from stt_gateway.keys.check import KeyCheck
from stt_gateway.keys.failures import FailureLimit
from stt_gateway.keys.holders import KeyHolders
from stt_gateway.keys.limits import KeyLimits
from stt_gateway.keys.making import new_signing_secret
from stt_gateway.keys.places import Places
from stt_gateway.keys.ring import KeyRing
from stt_gateway.keys.stored import StoredQuota
from stt_gateway.keys.usage import UsageRecorder
from stt_gateway.keys.uses import KeyUses
from stt_gateway.keys.watch import KeyWatch
from stt_gateway.live.admission import Admission
from stt_gateway.live.attached import AttachedSessions
from stt_gateway.live.connection_limit import ConnectionLimit
from stt_gateway.live.detached import DetachedSessions
from stt_gateway.live.openings import OpeningLimit
from stt_gateway.outbound.callbacks import CallbackSender
from stt_gateway.outbound.fetches import FileFetcher
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.api_keys import KeyStore
from stt_gateway.store.engine import database_url
from stt_gateway.store.interface import TranscriptStore
from stt_gateway.store.migrating import migrate
from stt_gateway.store.retention import Retentions
from stt_gateway.store.search_limit import MAX_SEARCHES, MAX_SEARCHES_OF_CLIENT
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_gateway.store.tenant_deletions import TenantDeletions
from stt_gateway.store.tenant_sweeper import TenantSweeper
from stt_gateway.store.usage import UsageStore
from stt_gateway.store.voices import VoiceStore
from stt_gateway.store.writer import StoreWriter
from stt_gateway.ws import deepgram as listen
from stt_gateway.ws import legacy, openai_realtime, stream, telephony, viewer
from stt_shared.contracts.services import ServiceName
from stt_shared.process.audit import AuditTrail
from stt_shared.process.clock import monotonic_ms
from stt_shared.process.folders import prepare_folder
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.client import wait_until_ready
from stt_shared.streams.bus import Bus
from stt_shared.work.heartbeat import Heartbeat
from stt_shared.work.job_admission import admit_for_ever
from stt_shared.work.service import Figures, ReplicaState

if TYPE_CHECKING:
    from stt_gateway.keys.sign_in import SignIn


class Stores(NamedTuple):
    """The stores on one database."""

    transcripts: TranscriptStore
    api_keys: KeyStore
    voices: VoiceStore
    usage: UsageStore
    deletions: TenantDeletions
    retentions: Retentions


@contextlib.asynccontextmanager
async def open_stores(settings: GatewaySettings) -> AsyncIterator[Stores]:
    """Open the stores of the database and migrate its tables.

    Raises ValueError for a bad DATABASE_URL, StoreError when the database cannot be used, UnusableFolder.
    """
    url = database_url(settings.database_url, settings.data_dir)
    if settings.database_url is None:
        prepare_folder(settings.data_dir, "DATA_DIR")
    await migrate(url)
    stores = Stores(
        SqlTranscriptStore(url, LOCAL.reach),
        KeyStore(url),
        VoiceStore(url),
        UsageStore(url),
        TenantDeletions(url),
        Retentions(url),
    )
    try:
        yield stores
    finally:
        for store in stores:
            await store.close()


def create_app(settings: GatewaySettings, check: Authorize | None = None) -> FastAPI:
    """Create the ASGI app. Its startup raises redis.ConnectionError when Redis does not answer."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running_context(settings, check) as context:
            app.state.context = context
            yield

    app = FastAPI(
        title="Real-time speech-to-text",
        version=metadata.version("realtime-stt-suite"),
        lifespan=lifespan,
        dependencies=[Depends(authorize_request)],
        responses=EVERYWHERE,
        # FastAPI's own pages load scripts from a CDN; http/docs_page.py serves them.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.default = SlashRedirect(app.router)
    for routes in (
        stream,
        viewer,
        legacy,
        listen,
        openai_realtime,
        telephony,
        jobs,
        openai,
        client_secrets,
        deepgram,
        transcripts,
        conversations,
        speakers,
        keys,
        sign_in,
        usage,
        tenants,
        health,
        metrics,
        docs_page,
    ):
        app.include_router(routes.router)
    app.include_router(web_pages().router())
    add_error_handlers(app)
    _add_middleware(app, settings)
    for route in iter_route_contexts(app.routes):
        declared_scopes(route.endpoint)
    return app


async def authorize_request(connection: HTTPConnection) -> None:
    """Authorise an HTTP request to its route. Raises SttError.

    A WebSocket is asked about when it has been accepted (ws/endpoint.py): a browser cannot read why a handshake was
    refused.
    """
    if connection.scope["type"] == "http":
        context = context_of(connection)
        await authorize(connection, context.authorize, context.limits.count_request)


def _add_middleware(app: FastAPI, settings: GatewaySettings) -> None:
    """Add the middleware, of which the one added last runs first."""
    # Innermost, since only there a request has the client that a proxy names, and its route.
    app.add_middleware(AuditMiddleware, trail=AuditTrail(settings.audit_log))
    app.add_middleware(AllowanceMiddleware)
    app.add_middleware(HeadMiddleware)
    if origins := origin_names(settings.allowed_origins):
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=[
                "dg-request-id",
                "Idempotent-Replayed",
                "Location",
                "Retry-After",
                "X-Ignored-Fields",
                *ALLOWANCE_HEADERS,
            ],
            allow_private_network=True,
        )
    proxies = trusted_proxies(settings.trusted_proxies)
    app.add_middleware(ProxyMiddleware, proxies=proxies, root_path=root_path(settings.root_path))
    app.add_middleware(AccessMiddleware, rules=rules_of(settings), proxies=proxies)
    app.add_middleware(HeadersMiddleware)


@contextlib.asynccontextmanager
async def _running_context(settings: GatewaySettings, check: Authorize | None) -> AsyncIterator[GatewayContext]:
    """Provide the services of the routes, with the background tasks that belong to them."""
    prepare_folder(settings.spool_dir, "SPOOL_DIR")
    replica = ReplicaState(ServiceName.GATEWAY, loop_stall_s=settings.health_stall_s)
    monitoring = asyncio.create_task(replica.loop_monitor.run(), name="loop monitor")
    try:
        await wait_until_ready(settings.redis_url, settings.redis_wait_s)
        async with (
            open_stores(settings) as (store, api_keys, voices, usage, deletions, retentions),
            Bus.connect(settings.redis_url, replica.id, settings.redis_min_replicas) as bus,
        ):
            holders = KeyHolders()
            recorder = UsageRecorder(bus.quotas, usage)
            places = Places(bus.quotas)
            limits = KeyLimits(bus.quotas, settings.default_quotas, recorder, places)
            keys = people = None
            if check is None and settings.auth in ("keys", "oidc"):
                check, keys, people = await _key_check(settings, bus, api_keys, holders)
            detached = DetachedSessions(settings.resume_window_s)
            attached = AttachedSessions()
            context = GatewayContext(
                settings,
                replica,
                check or AllowAll(),
                bus,
                Admission(bus, detached, attached, OpeningLimit(settings.max_openings_per_minute)),
                ConnectionLimit(settings.gateway_max_sessions, settings.max_sessions_per_client),
                ConnectionLimit(settings.gateway_max_viewers, settings.max_sessions_per_client),
                ConnectionLimit(
                    most_held(settings, soft_limit()), settings.max_sessions_per_client, "requests that wait"
                ),
                ConnectionLimit(MAX_SEARCHES, MAX_SEARCHES_OF_CLIENT, "searches"),
                RetryAfter(random.random),
                detached,
                store,
                Heartbeat(settings.redis_url, replica.id, replica.status, generate_latest),
                attached,
                holders,
                limits,
                Accounts(bus, limits),
                StoredQuota(bus, store, limits, places),
                usage,
                voices,
                TenantSweeper(bus, deletions, settings.spool_dir, AuditTrail(settings.audit_log)),
                retentions,
                places,
                keys,
                people,
            )
            replica.figures = lambda: Figures(detail=context.detached.detail)
            metrics.LIVE_WAITING.set_function(lambda: context.waiting_clients.count(monotonic_ms() / 1000))
            replica.starting = ""
            context.heartbeat.start()
            try:
                async with _background_tasks(context, recorder):
                    yield context
            finally:
                await asyncio.to_thread(context.heartbeat.stop)
    finally:
        await cancel_and_wait(monitoring)


async def _key_check(
    settings: GatewaySettings, bus: Bus, store: KeyStore, holders: KeyHolders
) -> "tuple[KeyCheck, KeyAdministration, SignIn | None]":
    """Return the check with keys, what manages them, and with AUTH=oidc the sign-in of people."""
    secret = await store.signing_secret(new_signing_secret())
    ring, uses = KeyRing(store), KeyUses()
    failures = FailureLimit(settings.max_auth_failures_per_minute)
    by_jwt, people = None, None
    if settings.auth == "oidc":
        # Only here: nobody else needs the libraries of JWTs.
        from stt_gateway.keys.sign_in import open_sign_in

        by_jwt, people = open_sign_in(settings, store, ring, failures)
    check = KeyCheck(ring, uses, failures, secret, keys_in_query=settings.api_key_in_query, by_jwt=by_jwt)
    return check, KeyAdministration(store, KeyWatch(bus, store, ring, holders, uses), secret), people


@contextlib.asynccontextmanager
async def _background_tasks(context: GatewayContext, recorder: UsageRecorder) -> AsyncIterator[None]:
    """Run what a gateway does besides serving clients."""
    settings = context.settings
    writer = StoreWriter(
        context.bus,
        context.store,
        context.replica.id,
        settings.transcript_retention_days,
        AuditTrail(settings.audit_log),
        context.accounts.charge_job,
        context.retentions,
    )
    fetcher = FileFetcher(context.bus, settings, context.limits.count_fetched)
    sender = CallbackSender(context.bus, settings, functools.partial(callback_told, context))
    tasks = [
        asyncio.create_task(writer.run(), name="store writer"),
        asyncio.create_task(writer.purge(), name="store purge"),
        asyncio.create_task(context.places.run(), name="places of keys"),
        asyncio.create_task(context.tenants.run(), name="deleted tenants"),
        asyncio.create_task(admit_for_ever(context.bus), name="job admission"),
        asyncio.create_task(sender.run(), name="callbacks"),
        asyncio.create_task(fetcher.run(), name="fetches"),
        *([asyncio.create_task(context.keys.watch.run(), name="keys")] if context.keys else []),
        *([asyncio.create_task(context.sign_in.run(), name="issuer")] if context.sign_in else []),
        asyncio.create_task(recorder.run(), name="usage of keys"),
        asyncio.create_task(context.detached.serve(context.bus, context.replica.id), name="detached sessions"),
    ]
    try:
        yield
    finally:
        await cancel_and_wait(*tasks)
        await context.detached.close()
