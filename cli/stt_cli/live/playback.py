"""Playback into a live session: sends pieces of audio and yields the events that come back, up to `done`."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import stt_client
from stt_cli.errors import CliError
from stt_cli.http.server import unreachable

Pieces = Callable[[], Awaitable[bytes | None]]
"""Function that returns the next piece of audio; None at the end."""


async def live_events(
    session: stt_client.LiveSession, url: str, pieces: Pieces, *, bytes_per_s: float | None, stop: asyncio.Event
) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of one session, `done` last.

    ``bytes_per_s`` sets the pace of playback; None means as fast as the pieces come. ``stop`` ends sending early; the
    words spoken until then still arrive. ``url`` is named in the error if there is no answer. Raises CliError.
    """
    try:
        async with session:
            sender = asyncio.create_task(_send_and_stop(session, pieces, bytes_per_s, stop))
            try:
                async for event in session:
                    yield event
            except stt_client.SessionError as error:
                if error.code == "over":
                    # The sender closed the session; awaiting it raises its own error.
                    await sender
                raise
            finally:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
    except stt_client.SessionError as error:
        raise _as_cli_error(url, session, error) from None


async def _send_and_stop(
    session: stt_client.LiveSession, pieces: Pieces, bytes_per_s: float | None, stop: asyncio.Event
) -> None:
    """Send everything, then `stop`; close the session if the source fails."""
    try:
        await _send(session, pieces, bytes_per_s, stop)
        await session.stop()
    except stt_client.SessionError:
        # The reader of the events receives the same error.
        return
    except CliError:
        await session.close()
        raise


async def _send(
    session: stt_client.LiveSession, pieces: Pieces, bytes_per_s: float | None, stop: asyncio.Event
) -> None:
    began_s, sent_bytes = time.monotonic(), 0
    while True:
        piece = await _unless(stop, pieces())
        if piece is None:
            return
        await session.send(piece)
        sent_bytes += len(piece)
        if bytes_per_s is not None:
            await _unless(stop, asyncio.sleep(began_s + sent_bytes / bytes_per_s - time.monotonic()))


async def _unless(stop: asyncio.Event, work: Awaitable[bytes | None]) -> bytes | None:
    """Return the result of ``work``, or None as soon as ``stop`` is set."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return None if stop.is_set() else working.result()
    finally:
        working.cancel()
        stopping.cancel()


def _as_cli_error(url: str, session: stt_client.LiveSession, error: stt_client.SessionError) -> CliError:
    if error.code == "unreachable" and not session.config:
        return unreachable(url, error.__cause__ if isinstance(error.__cause__, OSError) else error.message)
    return CliError(error.message if error.code in ("refused", "no_answer") else str(error))
