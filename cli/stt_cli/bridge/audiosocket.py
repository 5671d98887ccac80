"""AudioSocket, the protocol of Asterisk for the audio of one call: a live session whose text others read."""

import asyncio
import sys

import stt_client
from stt_cli.bridge.audiosocket_wire import HANGUP, HEADER, Frame, WireError, call_id, rate_hz
from stt_cli.bridge.suite import BridgedSuite
from stt_cli.bridge.tcp import TcpClient

FIRST_S = 10.0
SILENT_S = 60.0
"""Time after which a call counts as ended whose client sends no more of it."""


class AudioSocketCall:
    """One call. Nothing is sent to it: a frame would be heard, or hang up."""

    def __init__(self, client: TcpClient, suite: BridgedSuite) -> None:
        self._client = client
        self._suite = suite
        self._id = ""
        self._rate_hz = 0
        self._session: stt_client.LiveSession | None = None

    async def run(self) -> None:
        """Hear the call to its end, and wait until its last words are written; an error closes the connection."""
        refusal = ""
        try:
            async with asyncio.TaskGroup() as tasks:
                while (frame := await self._next()) is not None and frame.kind != HANGUP:
                    await self._handle(frame, tasks)
                # Hanging up, closing and falling silent are all the end of what was said.
                if self._session is not None:
                    await self._session.stop()
        except* WireError as group:
            refusal = f"{group.exceptions[0]} (bad_message)"
        except* stt_client.SessionError as group:
            refusal = str(group.exceptions[0])
        finally:
            if self._session is not None:
                await self._session.close()
        if refusal:
            print(f"{self._client.address}: {refusal}", file=sys.stderr, flush=True)

    async def _next(self) -> Frame | None:
        return await self._client.read(_read(self._client.reader), idle_s=SILENT_S if self._id else FIRST_S)

    async def _handle(self, frame: Frame, tasks: asyncio.TaskGroup) -> None:
        if not self._id:
            self._id = call_id(frame)
            return
        rate = rate_hz(frame)
        if rate is None or not frame.payload:
            return
        if self._session is None:
            self._session = await self._open(rate)
            tasks.create_task(self._read_on(self._session))
        if rate != self._rate_hz:
            raise WireError(f"audio at {rate} Hz amid audio at {self._rate_hz} Hz")
        await self._session.send(frame.payload)

    async def _open(self, rate: int) -> stt_client.LiveSession:
        self._rate_hz = rate
        parameters = {"conversation_id": self._id, **self._suite.parameters}
        return await self._suite.session(rate, 1, parameters).__aenter__()

    @staticmethod
    async def _read_on(session: stt_client.LiveSession) -> None:
        """Take the events, which viewers and the store have too, until `done`. Raises SessionError."""
        async for _ in session:
            pass


async def _read(reader: asyncio.StreamReader) -> Frame:
    """Read a frame. Raises IncompleteReadError at the end."""
    kind, length = HEADER.unpack(await reader.readexactly(HEADER.size))
    return Frame(kind, await reader.readexactly(length))
