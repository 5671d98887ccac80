"""One live session: plays pieces of audio into the stream and yields the events that come back, up to `done`."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlencode

import websockets
from websockets.asyncio.client import ClientConnection, connect

from stt_cli.client.server import error_message, unreachable
from stt_cli.errors import CliError

DONE_WITHIN_S = 60.0
"""How long the last words may take after `stop`."""

Pieces = Callable[[], Awaitable[bytes | None]]
"""Gives the next piece of audio; None at the end."""


def stream_url(url: str, query: dict[str, str]) -> str:
    """The address of the live path for an http(s) address of a suite."""
    return f"ws{url.removeprefix('http')}/v1/stt/stream?{urlencode(query)}"


async def live_events(
    url: str, query: dict[str, str], pieces: Pieces, *, bytes_per_s: float | None, stop: asyncio.Event
) -> AsyncIterator[str]:
    """The events of one session as JSON, `done` last. ``bytes_per_s``: play at this pace; None: as the pieces come.

    ``stop`` ends the sending early; the words spoken until then still come. Raises CliError.
    """
    try:
        # permessage-deflate buys nothing on audio; environment proxies are for the world outside.
        socket = await connect(stream_url(url, query), compression=None, max_size=None, proxy=None)
    except websockets.InvalidStatus as error:
        raise CliError(_refusal(error)) from None
    except (OSError, TimeoutError, websockets.InvalidHandshake) as error:
        raise unreachable(url, error) from None
    async with socket:
        sender = asyncio.create_task(_send_and_close(socket, pieces, bytes_per_s, stop))
        try:
            while True:
                message = await socket.recv(decode=True)
                assert isinstance(message, str)
                yield message
                if json.loads(message).get("type") == "done":
                    return
        except websockets.ConnectionClosed as closed:
            if closed.rcvd_then_sent is False:
                # This side hung up first: the sender, for a reason of its own that comes before any other.
                await sender
            told = f"{closed.rcvd.code} {closed.rcvd.reason}".strip() if closed.rcvd else "connection lost"
            raise CliError(f"the session ended before its last words came ({told})") from None
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)


async def _send_and_close(
    socket: ClientConnection, pieces: Pieces, bytes_per_s: float | None, stop: asyncio.Event
) -> None:
    """Sends everything, then `stop`; closes the connection when the source fails or `done` stays away."""
    try:
        await _send(socket, pieces, bytes_per_s, stop)
        await socket.send('{"type":"stop"}')
        await asyncio.sleep(DONE_WITHIN_S)
        raise CliError(f"the last words did not come within {DONE_WITHIN_S:g} s")
    except websockets.ConnectionClosed:
        # The receiving side has seen it too and says why.
        return
    except CliError:
        await socket.close()
        raise


async def _send(socket: ClientConnection, pieces: Pieces, bytes_per_s: float | None, stop: asyncio.Event) -> None:
    began_s, sent_bytes = time.monotonic(), 0
    while True:
        piece = await _unless(stop, pieces())
        if piece is None:
            return
        await socket.send(piece)
        sent_bytes += len(piece)
        if bytes_per_s is not None:
            await _unless(stop, asyncio.sleep(began_s + sent_bytes / bytes_per_s - time.monotonic()))


async def _unless(stop: asyncio.Event, work: Awaitable[bytes | None]) -> bytes | None:
    """What ``work`` gives, or None as soon as ``stop`` is set."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return None if stop.is_set() else working.result()
    finally:
        working.cancel()
        stopping.cancel()


def _refusal(error: websockets.InvalidStatus) -> str:
    try:
        said = error_message(json.loads(error.response.body or b""))
    except ValueError:
        said = ""
    return said or f"the server refused the stream with status {error.response.status_code}"
