"""Entry point of the gateway: ``python -m stt_gateway``."""

import asyncio
import logging
import socket

from stt_shared.process.extras import naming_missing_packages

with naming_missing_packages("gateway"):
    import structlog
    import uvicorn

    from stt_gateway.app import create_app, open_stores
    from stt_gateway.authorize import Authorize
    from stt_gateway.http.connections import HttpConnections, timed_protocol
    from stt_gateway.http.held_requests import http_connections
    from stt_gateway.http.open_files import raise_soft_limit, soft_limit
    from stt_gateway.http.server import GatewayServer
    from stt_gateway.outbound.issuer import NotAnIssuer
    from stt_gateway.settings import GatewaySettings
    from stt_gateway.store.engine import database_url
    from stt_gateway.store.failures import StoreError
    from stt_gateway.ws.protocol import FastWebSocketProtocol
    from stt_shared.contracts.services import ServiceName
    from stt_shared.process.certificate import Certificate, UnusableCertificate
    from stt_shared.process.folders import note_of_former_store, prepare_folder
    from stt_shared.process.listening import drop_dead_peers, note_of_ignored_host, open_listener
    from stt_shared.process.logging import set_up_logging
    from stt_shared.process.settings import load_settings
    from stt_shared.process.tasks import cancel_and_wait, stop_signal
    from stt_shared.process.tracing import set_up_tracing
    from stt_shared.redis.client import wait_until_ready
    from stt_shared.work.service import exit_with_error, run_process

_log = structlog.get_logger()


def server_config(
    settings: GatewaySettings, authorize: Authorize | None = None, certificate: Certificate | None = None
) -> uvicorn.Config:
    """Build uvicorn's configuration for the app; ``certificate`` None: without TLS."""
    # uvicorn logs query strings at INFO, and those can contain prompts.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # An upload keeps two files open, and live sessions need some as well.
    connections = HttpConnections(http_connections(settings, soft_limit()))
    return uvicorn.Config(
        create_app(settings, authorize),
        http=timed_protocol(connections),
        ws=FastWebSocketProtocol,
        # While a client must wait for room, nothing is read from it, not even pongs. TCP_USER_TIMEOUT and sends that
        # time out detect clients that are gone.
        ws_ping_timeout=None,
        # A message over the limit still gets an error that says so; beyond twice the limit only close code 1009.
        ws_max_size=2 * settings.max_message_bytes,
        # Audio does not compress, and a compressed message may need far more memory than its length suggests.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=settings.drain_timeout_s,
        access_log=False,
        # http/proxies.py decides whom to believe; uvicorn believes every process on this machine.
        proxy_headers=False,
        log_config=None,
        server_header=False,
        ssl_context_factory=None if certificate is None else lambda *_: certificate.context,
    )


def listening_socket(settings: GatewaySettings) -> socket.socket:
    """Open the socket to serve on. Raises OSError when the address is not available."""
    if settings.listen_fd is None:
        return open_listener(settings.address, settings.port)
    listener = socket.socket(fileno=settings.listen_fd)
    drop_dead_peers(listener)
    return listener


def certificate_of(settings: GatewaySettings) -> Certificate | None:
    """Read the certificate of TLS_CERT; None without that setting. Raises UnusableCertificate."""
    return None if settings.tls_cert is None else Certificate(settings.tls_cert, settings.tls_key)


async def run(settings: GatewaySettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises OSError when the address, the certificate or a folder is not available, redis.ConnectionError without Redis,
    StoreError without a database.
    """
    await wait_until_ready(settings.redis_url, settings.redis_wait_s)
    prepare_folder(settings.spool_dir, "SPOOL_DIR")
    # Once more when the app starts; only here it is one line instead of uvicorn's traceback.
    async with open_stores(settings):
        pass
    if settings.auth == "oidc":
        from stt_gateway.keys.sign_in import check_issuer

        await check_issuer(settings)
    with listening_socket(settings) as listener:
        certificate = certificate_of(settings)
        server = GatewayServer(server_config(settings, certificate=certificate))
        signalled = asyncio.create_task(_exit_on_signal(server), name="signals")
        tasks = [signalled]
        if certificate is not None:
            tasks.append(asyncio.create_task(certificate.follow(), name="certificate"))
        _log.info("listening", address=str(listener.getsockname()), tls=certificate is not None)
        try:
            await server.serve(sockets=[listener])
        finally:
            await cancel_and_wait(*tasks)


async def _exit_on_signal(server: uvicorn.Server) -> None:
    await stop_signal().wait()
    _log.info("stopping")
    server.should_exit = True


def main() -> None:
    """Run the gateway and exit.

    The status is 0 after a signal, 1 when Redis, the database, the address or a folder cannot be used, 2 for a bad
    setting.
    """
    settings = load_settings(GatewaySettings)
    set_up_logging(ServiceName.GATEWAY, settings.log_level)
    set_up_tracing(ServiceName.GATEWAY)
    try:
        database_url(settings.database_url, settings.data_dir)
        certificate_of(settings)
    except (ValueError, UnusableCertificate) as error:
        exit_with_error(str(error), code=2)
    if refusal := settings.unguarded or settings.unusable_sign_in:
        exit_with_error(refusal, code=2)
    uses_default = settings.database_url is None and "data_dir" not in settings.model_fields_set
    if uses_default and (note := note_of_former_store()):
        _log.warning("transcripts found elsewhere", cause=note)
    if settings.listen_fd is None and (note := note_of_ignored_host(settings.stt_host, settings.host)):
        _log.warning("host ignored", cause=note)
    try:
        raise_soft_limit()
    except (OSError, ValueError) as error:
        _log.warning("open files limit not raised", limit=soft_limit(), cause=str(error))
    run_process(run(settings), fatal=(OSError, StoreError, NotAnIssuer))


if __name__ == "__main__":
    main()
