"""A gateway as it is served, on a real Redis, stand-ins for its two neighbours, and clients to knock."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
import websockets
from redis.asyncio import Redis

from stt_gateway.__main__ import certificate_of, server_config
from stt_gateway.authorize import Authorize
from stt_gateway.http.server import GatewayServer
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.events import Done, Error, Event, Final, Partial, StageTiming
from stt_shared.contracts.frames import Frame, FrameKind
from stt_shared.contracts.jobs import JobResult, JobSegment, JobStatus
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work.stage import SESSIONS, Assignment, StageWorker
from support.wiring import bus_on, open_bus

STAMP = "2026-01-01T00:00:00.000Z"
STOP = '{"type":"stop"}'
FINALIZE = '{"type":"finalize"}'
KEEPALIVE = '{"type":"keepalive"}'


async def until(condition: Callable[[], Any] | Callable[[], Awaitable[Any]], timeout_s: float = 30) -> Any:
    """Waits until ``condition`` gives something true, and answers that."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = condition()
            found = await found if isinstance(found, Awaitable) else found
            if found:
                return found
            await asyncio.sleep(0.005)


class Hand:
    """The stand-in transcriber's hold on one session. ``frames``: what it has read of the ingest log."""

    def __init__(self, bus: Bus, owner: Ownership, config: bytes) -> None:
        self._bus = bus
        self.owner = owner
        self.config: dict[str, Any] = msgspec.json.decode(config)
        self.frames: list[Frame] = []
        self.finals: list[str] = []

    @property
    def id(self) -> str:
        return self.owner.keys.id

    @property
    def kinds(self) -> list[str]:
        """Kinds of the frames, consecutive audio once."""
        kinds = [frame.kind.value for frame in self.frames]
        return [kind for at, kind in enumerate(kinds) if kind != "audio" or kinds[at - 1 : at] != ["audio"]]

    @property
    def audio(self) -> bytes:
        return b"".join(frame.data for frame in self.frames)

    async def say(self, event: Event) -> int:
        """The event's number."""
        written, number = await self._bus.sessions.emit(self.owner, event)
        assert written is WriteResult.OK
        return number

    async def partial(self, text: str) -> int:
        return await self.say(
            Partial(
                session_id=self.id,
                text=text,
                new_text=text,
                stable="",
                unstable=text,
                confidence=0.5,
                timestamp=STAMP,
                utterance=len(self.finals) + 1,
                start_ms=0,
                end_ms=1,
                lag_ms=0,
            )
        )

    async def final(self, text: str = "", committed_ms: int = 0) -> int:
        self.finals.append(text or f"words {len(self.finals) + 1}")
        return await self.say(
            Final(
                session_id=self.id,
                text=self.finals[-1],
                confidence=0.9,
                timestamp=STAMP,
                utterance=len(self.finals),
                start_ms=0,
                end_ms=1,
                language="en",
                words=[],
                committed_ms=committed_ms,
            )
        )

    async def done(self) -> int:
        timings = {"infer": StageTiming(1, 2.0, 2.0)}
        text = " ".join(self.finals)
        return await self.say(
            Done(session_id=self.id, text=text, duration_ms=0, finals=len(self.finals), timings_ms=timings)
        )

    async def error(self, code: str, message: str) -> int:
        return await self.say(Error(session_id=self.id, code=code, message=message, retryable=False))


Script = Callable[[Hand, Frame], Awaitable[None]]


async def dictation(hand: Hand, frame: Frame) -> None:
    """What a transcriber does: a final at every end of an utterance, `done` at the stop."""
    if frame.kind in (FrameKind.FINALIZE, FrameKind.IDLE):
        await hand.final()
    elif frame.kind is FrameKind.STOP:
        await hand.done()


class Workers:
    """Both services behind a gateway, as far as it can tell. ``script`` is called for every frame of a session."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.script: Script = dictation
        self.hands: list[Hand] = []
        self.stage = StageWorker(
            self.bus,
            SESSIONS,
            stage=keys.STAGE_TRANSCRIBER,
            replica_id="stand-in",
            capacity=64,
            handle=self._handle,
            deletes=True,
        )

    async def hand(self, session_id: str | None = None) -> Hand:
        """The newest hold on a session, when it is there."""

        def found() -> Hand | None:
            hands = [hand for hand in self.hands if session_id is None or hand.id == session_id]
            return hands[-1] if hands else None

        hand: Hand = await until(found)
        return hand

    async def _handle(self, assignment: Assignment) -> None:
        hand = Hand(self.bus, assignment.owner, assignment.fields[b"config"])
        self.hands.append(hand)
        reader = self.bus.sessions.read_audio(assignment.owner.keys, 0)
        async with contextlib.aclosing(reader.items()) as items:  # type: ignore[type-var]
            async for frame in items:
                if frame is not None:
                    hand.frames.append(frame)
                    await self.script(hand, frame)
                    if frame.kind is FrameKind.STOP:
                        return


async def tell_status(client: Redis, service: str, state: str = "ready", name: str = "1", **more: Any) -> str:
    """A heartbeat as a replica sends it, but for a minute. Returns the replica's id."""
    replica = ReplicaStatus(id=f"{service}-{name}", service=service, state=state, started_ms=0, **more)
    await client.set(keys.replica_alive(replica.id), 1, ex=60)
    await client.hset(keys.REPLICAS, replica.id, msgspec.json.encode(replica))
    return replica.id


@contextlib.asynccontextmanager
async def stand_ins(client: Redis, capacity: int = 16) -> AsyncIterator[Workers]:
    await tell_status(client, "audio-processor", capacity=capacity)
    await tell_status(client, "transcriber", capacity=capacity)
    async with open_bus(client, "stand-in") as bus:
        workers = Workers(bus)
        running = asyncio.create_task(workers.stage.run())
        try:
            yield workers
        finally:
            await cancel_and_wait(running)
            await workers.stage.drain(0)


class _Server(GatewayServer):
    def capture_signals(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()  # pytest's own must go on working

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            await asyncio.sleep(0.01)


class Gateway:
    """A gateway that serves. ``url`` without a slash at the end."""

    def __init__(self, port: int, settings: GatewaySettings, client: Redis) -> None:
        self.settings = settings
        self.client = client
        self.url = f"http://127.0.0.1:{port}" if settings.tls_cert is None else f"https://localhost:{port}"

    def stream(self, query: str = "") -> str:
        return self.url.replace("http", "ws") + "/v1/stt/stream" + (f"?{query}" if query else "")

    @property
    def spooled(self) -> list[Path]:
        return sorted(self.settings.spool_dir.iterdir())


@contextlib.asynccontextmanager
async def running_gateway(
    client: Redis,
    redis_url: str,
    spool: Path,
    *,
    buffer_bytes: int | None = None,
    configure: Callable[[uvicorn.Config], None] = lambda _: None,
    beyond_bounds: dict[str, Any] | None = None,
    authorize: Authorize | None = None,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """``buffer_bytes``: of the sockets, where a test wants them full. ``beyond_bounds``: settings that a test has no
    time for within what is allowed."""
    data = spool.with_name(f"{spool.name}-data")
    checked = GatewaySettings(
        redis_url=redis_url, spool_dir=spool, data_dir=data, port=0, drain_timeout_s=2, **settings
    )
    listener = socket.create_server(("127.0.0.1", 0))
    # uvloop, which serves otherwise, does this; asyncio forgets it for such a socket, and every answer waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if buffer_bytes:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            listener.setsockopt(socket.SOL_SOCKET, option, buffer_bytes)
    certificate = certificate_of(checked)
    config = server_config(checked.model_copy(update=beyond_bounds or {}), authorize, certificate)
    configure(config)
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    following = [] if certificate is None else [asyncio.create_task(certificate.follow())]
    try:
        await until(lambda: server.started or serving.done())
        yield Gateway(listener.getsockname()[1], checked, client)
    finally:
        await cancel_and_wait(*following)
        server.should_exit = True
        await serving
        listener.close()


@contextlib.asynccontextmanager
async def gateway_with_store(client: Redis, redis_url: str, folder: Path, database_url: str) -> AsyncIterator[Gateway]:
    """A gateway with stand-ins that accepts files and keeps their transcripts in this database."""
    async with (
        stand_ins(client),
        running_gateway(client, redis_url, folder / "spool", database_url=database_url) as gateway,
    ):
        await tell_status(client, "transcriber", capacity=4, detail={"model": "base"})
        yield gateway


async def end_job(client: Redis, job_id: str, text: str) -> None:
    """The job ends with this text, as the transcriber ends it."""
    bus, at = bus_on(client), keys.job_keys(job_id)
    epoch = (await client.hget(at.state, "epoch") or b"").decode()
    result = JobResult(text, "en", 2.0, [JobSegment(0, 0.0, 2.0, text, 0.9, [])])
    await bus.jobs.finish(at, epoch, JobStatus.COMPLETED, result=msgspec.json.encode(result), now_ms=wall_ms())


def kinds_of(events: list[dict[str, Any]]) -> list[str]:
    """Without acks: those come by the clock."""
    return [event["type"] for event in events if event["type"] != "ack"]


class Line:
    """A client's end of a session, step by step."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def send(self, *messages: bytes | str) -> None:
        for message in messages:
            await self.socket.send(message)

    async def hear(self, kind: str, timeout_s: float = 10.0) -> dict[str, Any]:
        """The next event of this kind; those before it are kept in ``events`` too."""
        async with asyncio.timeout(timeout_s):
            while True:
                event: dict[str, Any] = json.loads(await self.socket.recv())
                self.events.append(event)
                if event["type"] == kind:
                    return event

    async def rest(self, timeout_s: float = 10.0) -> int | None:
        """Hears everything to the end; answers the close code."""
        async with asyncio.timeout(timeout_s):
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    self.events.append(json.loads(await self.socket.recv()))
        return self.socket.close_code

    @property
    def kinds(self) -> list[str]:
        return kinds_of(self.events)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


@contextlib.asynccontextmanager
async def line(url: str, *, buffer_bytes: int | None = None, **options: Any) -> AsyncIterator[Line]:
    if buffer_bytes:
        host, port = url.split("/")[2].split(":")
        options["sock"] = plain = socket.socket()
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            plain.setsockopt(socket.SOL_SOCKET, option, buffer_bytes)
        await asyncio.to_thread(plain.connect, (host, int(port)))
        plain.setblocking(False)
    # A server that has gone answers no closing handshake.
    async with websockets.connect(url, max_size=None, close_timeout=0.3, **options) as ws:
        yield Line(ws)


def since(began: float) -> float:
    """Seconds since a ``time.monotonic()``."""
    return time.monotonic() - began
