"""A gateway for tests of clients: it speaks the live protocol with resuming, and fails when told to.

Its model is an oracle: each 100 ms of audio is an utterance whose text is a digest of just those bytes, so that one
lost, doubled or misplaced byte shows in the finals.
"""

import asyncio
import contextlib
import hashlib
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import websockets
from websockets.asyncio.server import ServerConnection, serve
from websockets.headers import parse_subprotocol
from websockets.typing import Subprotocol

import stt_client
from stt_gateway.core.requests.subprotocols import OWN, offered_query

UTTERANCE_BYTES = 3200
BYTES_PER_MS = 32
CHUNK_BYTES = 640
AUDIO = random.Random(7).randbytes(2 * 32_000 + 200)  # 2 s and a bit


def digest(audio: bytes) -> str:
    return hashlib.sha256(audio).hexdigest()[:8]


def digests(audio: bytes) -> list[str]:
    """The finals of an undisturbed session."""
    return [digest(audio[at : at + UTTERANCE_BYTES]) for at in range(0, len(audio), UTTERANCE_BYTES)]


@dataclass
class Fault:
    """What goes wrong on one connection."""

    error: tuple[str, int] | None = None
    """Instead of `ready`: an error's code, and the close code."""
    retry_after_s: Any = None
    """What that error says."""
    no_ready: bool = False
    """The session is opened, and the connection cut before `ready`."""
    forget: bool = False
    """The suite has lost all sessions when this connection comes."""
    cut_after_chunks: int | None = None
    close_after_chunks: tuple[int, int] | None = None
    """A number of chunks, and a close code."""
    error_after_chunks: tuple[int, str, int] | None = None
    pause_after_chunks: tuple[int, float] | None = None
    """A number of chunks, and for how many seconds nothing is read then."""


@dataclass
class ScriptedSession:
    """One session."""

    token: str
    audio: bytearray = field(default_factory=bytearray)
    start: int = 0
    held_seq: int = 0
    early: dict[int, bytes] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    event: int = 0
    finals: int = 0
    done_to: int = 0
    finalized: list[int] = field(default_factory=list)
    stopped: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.audio)

    def emit(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.event += 1
        self.events.append({"type": kind, "event": self.event, **fields})
        return self.events[-1]


@dataclass
class ScriptedGateway:
    faults: list[Fault] = field(default_factory=list)
    ack_every_finals: int = 1
    finals_say_what_they_settle: bool = False
    acks_are_late: bool = False
    """They tell what was settled before the final that they follow."""
    partials_per_chunk: int = 0
    says_done: bool = True
    addresses: list[str] = field(default_factory=list)
    """The path and query of each connection, as a proxy sees them."""
    queries: list[dict[str, str]] = field(default_factory=list)
    """All parameters of each connection."""
    sessions: dict[str, ScriptedSession] = field(default_factory=dict)
    keepalives: int = 0

    async def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.addresses.append(socket.request.path)
        offers = parse_subprotocol(",".join(socket.request.headers.get_all("Sec-WebSocket-Protocol")))
        query = dict([*parse_qsl(urlsplit(socket.request.path).query), *offered_query(offers)])
        self.queries.append(query)
        fault = self.faults.pop(0) if self.faults else Fault()
        if fault.forget:
            self.sessions.clear()
        with contextlib.suppress(websockets.ConnectionClosed):
            if fault.error is not None:
                code, close_code = fault.error
                more = {} if fault.retry_after_s is None else {"retry_after_s": fault.retry_after_s}
                await self._tell(socket, code, close_code, **more)
                return
            opened = self._open(query)
            if opened is None:
                await self._tell(socket, "not_found", 4504)
                return
            session, resumed = opened
            if fault.no_ready:
                socket.transport.abort()
                return
            await self._converse(socket, query, session, resumed, fault)

    def _open(self, query: dict[str, str]) -> tuple[ScriptedSession, bool] | None:
        name, token = query["session_id"], query.get("resume_token")
        session = self.sessions.get(name)
        if token is not None and session is not None:
            return (session, True) if session.token == token else None
        if token is not None:
            if "committed_ms" not in query:
                return None
            position = int(query["committed_ms"]) * BYTES_PER_MS
            session = ScriptedSession(token, start=int(query["start_ms"]) * BYTES_PER_MS, finals=int(query["finals"]))
            session.done_to, session.event = position, int(query["last_event"])
        else:
            session = ScriptedSession(f"token {len(self.queries)}")
        self.sessions[name] = session
        return session, False

    async def _converse(
        self, socket: ServerConnection, query: dict[str, str], session: ScriptedSession, resumed: bool, fault: Fault
    ) -> None:
        sent = int(query.get("last_event", 0))
        ready = {"type": "ready", "event": session.event + 1, "session_id": query["session_id"], "resumed": resumed}
        more = {"resume_token": session.token, "resume_from_seq": session.held_seq, "config": {"language": "en"}}
        await socket.send(json.dumps(ready | more))
        sent = await self._flush(socket, session, sent)
        chunks = 0
        while not (session.stopped and self.says_done):
            message = await socket.recv()
            if isinstance(message, bytes):
                chunks += 1
                self._take(session, int.from_bytes(message[:4], "big"), message[4:])
                if fault.pause_after_chunks is not None and fault.pause_after_chunks[0] == chunks:
                    await asyncio.sleep(fault.pause_after_chunks[1])
                if fault.cut_after_chunks == chunks:
                    socket.transport.abort()
                    return
                if fault.close_after_chunks is not None and fault.close_after_chunks[0] == chunks:
                    await socket.close(fault.close_after_chunks[1])
                    return
                if fault.error_after_chunks is not None and fault.error_after_chunks[0] == chunks:
                    await self._tell(socket, *fault.error_after_chunks[1:])
                    return
            else:
                self._control(session, json.loads(message)["type"])
            sent = await self._flush(socket, session, sent)
        await socket.close()

    def _take(self, session: ScriptedSession, seq: int, data: bytes) -> None:
        if seq > session.held_seq:
            session.early[seq] = data
        while (chunk := session.early.pop(session.held_seq + 1, None)) is not None:
            session.held_seq += 1
            session.audio += chunk
        for _ in range(self.partials_per_chunk):
            session.emit("partial", utterance=session.finals + 1, text=f"{session.event}")
        self._transcribe(session)

    def _transcribe(self, session: ScriptedSession, *, all_of_it: bool = False) -> None:
        while session.end - session.done_to >= (1 if all_of_it else UTTERANCE_BYTES):
            begin = session.done_to - session.start
            session.done_to = min(session.done_to + UTTERANCE_BYTES, session.end)
            session.finals += 1
            committed_ms = session.done_to // BYTES_PER_MS
            settles = {"committed_ms": committed_ms} if self.finals_say_what_they_settle else {}
            text = digest(session.audio[begin : session.done_to - session.start])
            start_ms = (begin + session.start) // BYTES_PER_MS
            session.emit("final", utterance=session.finals, text=text, start_ms=start_ms, **settles)
            if session.finals % self.ack_every_finals == 0:
                told_ms = start_ms if self.acks_are_late else committed_ms
                session.emit("ack", received_seq=session.held_seq, committed_ms=told_ms)

    def _control(self, session: ScriptedSession, kind: str) -> None:
        if kind == "keepalive":
            self.keepalives += 1
            return
        # Nothing that is missing now will ever come.
        for seq in sorted(session.early):
            session.emit("gap", cause=f"chunks {session.held_seq + 1} to {seq - 1} never came")
            session.held_seq = seq
            session.audio += session.early.pop(seq)
        if kind == "finalize":
            session.finalized.append(session.end)
        elif not session.stopped:
            self._transcribe(session, all_of_it=True)
            session.stopped = True
            if self.says_done:
                session.emit("done", text="what this server knows", finals=0)

    async def _flush(self, socket: ServerConnection, session: ScriptedSession, sent: int) -> int:
        for event in session.events:
            if event["event"] > sent:
                await socket.send(json.dumps(event))
        return session.event

    async def _tell(self, socket: ServerConnection, code: str, close_code: int, **more: Any) -> None:
        error = {
            "type": "error",
            "event": 1,
            "code": code,
            "message": f"this is {code}",
            "retryable": close_code < 4500,
            **more,
        }
        await socket.send(json.dumps(error))
        await socket.close(close_code)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        async with serve(self.handle, "127.0.0.1", 0, close_timeout=0.5, subprotocols=[Subprotocol(OWN)]) as listening:
            yield f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}"


class Wire:
    """A TCP proxy that can go dead without a word, as a cable does that is pulled."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._pipes: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.dead = False
        """Connections that stand forward nothing any more; new ones work."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for pipe in self._pipes:
                pipe.cancel()
            await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.dead = False
        number = self.connections
        there_reader, there_writer = await asyncio.open_connection(self._host, self._port)
        for source, target in ((reader, there_writer), (there_reader, writer)):
            self._pipes.add(asyncio.create_task(self._pipe(source, target, number)))

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, number: int) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if self.dead or number < self.connections:
                    await asyncio.sleep(3600)
                target.write(data)
                await target.drain()
        target.close()


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [event["text"] for event in events if event["type"] == "final"]


def assert_nothing_is_lost(events: list[dict[str, Any]], audio: bytes = AUDIO) -> None:
    finals = [event for event in events if event["type"] == "final"]
    assert texts(events) == digests(audio)
    assert [final["utterance"] for final in finals] == list(range(1, len(finals) + 1))
    numbers = [event["event"] for event in events]
    assert numbers == sorted(set(numbers)), "event numbers rise"
    assert events[-1]["type"] == "done"
    assert events[-1]["text"] == " ".join(digests(audio))


async def converse(url: str, audio: bytes = AUDIO, *, every_s: float = 0.001, **options: Any) -> list[dict[str, Any]]:
    """A whole session: sends ``audio``, reads to the end."""
    async with stt_client.connect(url, **options) as session:

        async def speak() -> None:
            for at in range(0, len(audio), CHUNK_BYTES):
                await session.send(audio[at : at + CHUNK_BYTES])
                await asyncio.sleep(every_s)
            await session.stop()

        speaking = asyncio.create_task(speak())
        try:
            return [event async for event in session]
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
