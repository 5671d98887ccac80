"""``python -m stt_gateway``."""

import socket
import sys

import redis
import uvicorn

from stt_gateway.app import create_app
from stt_gateway.settings import GatewaySettings
from stt_shared.logging import set_up_logging
from stt_shared.settings import load_settings


def main() -> None:
    """Exit 0 after a signal, 1 when the port is taken or Redis cannot be reached, 2 for a bad setting."""
    settings = load_settings(GatewaySettings)
    set_up_logging("gateway", settings.log_level)
    config = uvicorn.Config(
        create_app(settings),
        ws="websockets-sansio",
        # Audio does not compress, and each compressed connection costs memory.
        ws_per_message_deflate=False,
        # Twice what is allowed: up to there a client is told by an error event, beyond it by close code 1009.
        ws_max_size=2 * settings.max_message_bytes,
        timeout_graceful_shutdown=int(settings.drain_timeout_s),
        access_log=False,
        log_config=None,
        lifespan="on",
    )
    try:
        listener = _listener(settings)
    except OSError as error:
        _leave(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}")
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listener])
    except redis.ConnectionError as error:
        _leave(str(error))
    if not server.started:
        _leave("the gateway could not start; its log says why")


def _listener(settings: GatewaySettings) -> socket.socket:
    if settings.listen_fd is not None:
        return socket.socket(fileno=settings.listen_fd)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=2048)


def _leave(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    raise SystemExit(1)


if __name__ == "__main__":
    main()
