"""`stt wyoming`, `stt audiosocket`: servers for clients of other protocols, in front of a suite."""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version

from stt_cli.bridge import wyoming as wyoming_bridge
from stt_cli.bridge.audiosocket import AudioSocketCall
from stt_cli.bridge.suite import BridgedSuite
from stt_cli.bridge.tcp import TcpClient, TcpServer
from stt_cli.bridge.wyoming_wire import MAX_HEADER_BYTES
from stt_cli.errors import CliError
from stt_shared.process.listening import CannotListen, open_listener
from stt_shared.process.tasks import stop_signal


def wyoming(url: str, host: str, port: int, parameters: Mapping[str, str], max_clients: int) -> None:
    """Serve Wyoming until SIGINT or SIGTERM. Raises CliError if the address cannot be listened on."""
    suite, release = BridgedSuite(url, parameters), version("realtime-stt-suite")

    async def handle(client: TcpClient) -> None:
        await wyoming_bridge.WyomingConnection(client, suite, release).run()

    _serve(handle, "Wyoming", url, host, port, wyoming_bridge.FULL, max_clients)


def audiosocket(url: str, host: str, port: int, parameters: Mapping[str, str], max_clients: int) -> None:
    """Serve AudioSocket until SIGINT or SIGTERM. Raises CliError if the address cannot be listened on."""
    suite = BridgedSuite(url, parameters)

    async def handle(client: TcpClient) -> None:
        await AudioSocketCall(client, suite).run()

    _serve(handle, "AudioSocket", url, host, port, b"", max_clients)


def _serve(
    handle: Callable[[TcpClient], Awaitable[None]],
    protocol: str,
    url: str,
    host: str,
    port: int,
    refusal: bytes,
    max_clients: int,
) -> None:
    try:
        listener = open_listener(host, port)
    except CannotListen as error:
        raise CliError(str(error)) from None
    address, port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    print(f"{protocol} on tcp://{shown}:{port}, for the suite at {url}", file=sys.stderr, flush=True)
    server = TcpServer(handle, refusal=refusal, max_clients=max_clients, line_bytes=MAX_HEADER_BYTES)
    asyncio.run(_until_stopped(server, listener))


async def _until_stopped(server: TcpServer, listener: socket.socket) -> None:
    await server.run(listener, stop_signal())
