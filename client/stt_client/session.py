"""Live session for programs: audio in, events out, across any number of connections."""

import asyncio
import random
import secrets
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from stt_client.address import Address, live_url
from stt_client.backoff import Backoff
from stt_client.connection import Connection, Transport, open_connection
from stt_client.errors import ConnectionLost, SessionError
from stt_client.inbox import Inbox
from stt_client.progress import Event, SessionProgress
from stt_client.replay import AudioFormat, ReplayBuffer

LEAST_BUFFER_S = 60.0
"""Minimum buffer. Audio is committed one utterance at a time, so with room for less than the longest utterance ``send``
would wait forever."""


def connect(
    url: str,
    *,
    sample_rate: int = 16_000,
    encoding: str = "pcm_s16le",
    channels: int = 1,
    language: str | None = None,
    languages: Sequence[str] = (),
    session_id: str | None = None,
    parameters: Mapping[str, str] | None = None,
    buffer_s: float = 120.0,
    buffer_bytes: int = 16 * 1024**2,
    patience_s: float = 120.0,
    open_patience_s: float = 10.0,
    open_timeout_s: float = 10.0,
    dead_after_s: float = 8.0,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    proxy: str | None = None,
    on_lost: Callable[[str], None] | None = None,
    on_resumed: Callable[[], None] | None = None,
) -> "LiveSession":
    """Return a session on the suite at ``url`` (``ws://host:8000``); enter it with ``async with``. Raises ValueError.

    ``language``: the one that is spoken; ``languages``: those that may be, of which each utterance is in one.
    ``parameters``: other parameters of the live path, such as ``{"endpointing_ms": "300"}``.
    ``buffer_s``: seconds of bare samples that are kept until they are committed. ``buffer_bytes``: maximum size up to
    which a container (webm, ogg, mp3 …) is kept as a whole; a longer recording survives lost connections, but not a
    data loss of Redis.
    ``api_key``: a key or a token of the suite, where it wants one; ``headers``: others for each connection.
    ``patience_s``: maximum time without a connection, and maximum time from the last event to `done`;
    ``open_patience_s``: maximum time until the first connection.
    ``dead_after_s``: time without any message after which a connection is considered dead.
    ``on_lost(reason)``, ``on_resumed()``: called when a connection is lost and when another one resumes the session,
    for programs that show it.
    """
    if buffer_s < LEAST_BUFFER_S:
        raise ValueError(f"buffer_s={buffer_s:g} is not allowed; it must be at least {LEAST_BUFFER_S:g}")
    query = {
        **(parameters or {}),
        "sample_rate": str(sample_rate),
        "encoding": encoding,
        "channels": str(channels),
        **({"language": language} if language else {}),
        **({"languages": ",".join(languages)} if languages else {}),
        # Chosen by this side, so that the server need not wait for a first message that may name the session.
        "session_id": session_id or uuid.uuid4().hex,
        "framing": "seq32",
    }
    authorization = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    audio = AudioFormat.of(encoding, sample_rate, channels)
    return LiveSession(
        Address(live_url(url), query),
        ReplayBuffer(audio, max_s=buffer_s, max_bytes=buffer_bytes),
        Transport(open_timeout_s, dead_after_s, {**authorization, **(headers or {})}, tls, proxy),
        patience_s=patience_s,
        open_patience_s=open_patience_s,
        on_lost=on_lost,
        on_resumed=on_resumed,
    )


class LiveSession:
    """Live session, an async context manager and an async iterator of events.

    Entering waits for the server. Entering, the iterator and the methods raise SessionError when the session cannot
    continue. Leaving before `done` abandons the session.
    """

    def __init__(
        self,
        address: Address,
        buffer: ReplayBuffer,
        transport: Transport,
        *,
        patience_s: float,
        open_patience_s: float,
        on_lost: Callable[[str], None] | None = None,
        on_resumed: Callable[[], None] | None = None,
    ) -> None:
        self.session_id = address.query["session_id"]
        self.config: dict[str, Any] = {}
        """Configuration of this session, as sent by the server."""
        self.reconnects = 0
        """Number of connections after the first."""
        self._address = address
        self._buffer = buffer
        self._transport = transport
        self._patience_s = patience_s
        self._open_patience_s = open_patience_s
        self._on_lost = on_lost
        self._on_resumed = on_resumed
        # Chosen by the client before the first connection, so that the next attempt finds a session whose `ready` was
        # lost.
        self._token = secrets.token_urlsafe(24)
        self._progress = SessionProgress()
        self._inbox = Inbox()
        self._event_s = 0.0
        self._more = asyncio.Event()  # an item waits to be sent
        self._changed = asyncio.Event()  # events came or were taken, audio was committed, or the session is over
        self._ready = asyncio.Event()
        self._sending = asyncio.Lock()
        self._over = False
        self._failure: Exception | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "LiveSession":
        self._tasks.append(asyncio.create_task(self._run(), name="stt session"))
        try:
            await self._ready.wait()
            if self._failure is not None:
                raise self._failure
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Abandon the session if it is not over; it returns no more events."""
        self._end(SessionError("over", "the session was closed by this side"))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send(self, audio: bytes) -> None:
        """Send audio of any length. Returns when it is buffered; waits while too much audio is not committed."""
        async with self._sending:
            size = self._buffer.audio.max_chunk_bytes
            for start in range(0, len(audio), size):
                while True:
                    self._check_open()
                    if self._buffer.has_room():
                        break
                    await self._change()
                self._buffer.push(bytes(audio[start : start + size]))
                self._more.set()

    async def finalize(self) -> None:
        """End the utterance here; its `final` comes without waiting for silence, and `finalized` answers."""
        async with self._sending:
            self._check_open()
            self._buffer.finalize()
            self._more.set()

    async def configure(
        self, *, keyterms: Sequence[str] | None = None, replacements: Mapping[str, str] | None = None
    ) -> None:
        """Change keyterms or replacements from here on, except those that are None; `configured` answers."""
        given = {"keyterms": keyterms, "replacements": replacements}
        fields = {name: value for name, value in given.items() if value is not None}
        async with self._sending:
            self._check_open()
            self._buffer.configure(fields)
            self._more.set()

    async def stop(self) -> None:
        """End the audio. The last finals follow, then `done`, which ends the iterator."""
        async with self._sending:
            if self._buffer.stopped or self._over:
                return
            self._buffer.stop()
            self._more.set()
            self._event_s = time.monotonic()
            self._tasks.append(asyncio.create_task(self._await_done(), name="stt done"))

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while True:
            event = self._inbox.take()
            if event is not None:
                self._notify()
                return event
            if self._over:
                if self._failure is not None:
                    raise self._failure
                raise StopAsyncIteration
            await self._change()

    async def _run(self) -> None:
        failure: Exception | None = None
        try:
            await self._keep_connected()
        except Exception as error:
            # Raised to the program where it reads the events.
            failure = error
        self._end(failure)

    async def _keep_connected(self) -> None:
        """Keep the session connected until `done`. Raises SessionError."""
        backoff = Backoff(random.random)
        unanswered = 0  # attempts that the server may still carry out
        while True:
            ready_s: float | None = None
            try:
                socket, ready = await self._open()
                connection = Connection(socket, self._buffer, self._more, self._handle, self._transport.dead_after_s)
                ready_s = time.monotonic()
                self._begin(ready)
                await connection.run()
                return
            except (ConnectionLost, SessionError) as lost:
                if isinstance(lost, SessionError):
                    # An attempt that this side has given up took the session when it was carried out late.
                    if lost.code != "superseded" or not unanswered:
                        raise
                    unanswered -= 1
                elif ready_s is None and lost.code == "unreachable":
                    unanswered += 1
                patience_s = self._patience_s if self._ready.is_set() else self._open_patience_s
                wait_s = backoff.lost(time.monotonic(), ready_s, patience_s, lost.retry_after_s)
                if wait_s is None:
                    raise SessionError(lost.code, lost.message, lost.retry_after_s) from lost.__cause__
                if ready_s is not None and self._on_lost is not None:
                    self._on_lost(lost.message)
            await asyncio.sleep(wait_s)

    async def _open(self) -> tuple[Any, Event]:
        is_container = self._buffer.audio.frame_bytes is None
        start_ms = (0 if is_container else self._progress.committed_ms) if self._buffer.can_rebuild else None
        url, subprotocols = self._address.handshake(self._token, self._progress, start_ms)
        return await open_connection(url, subprotocols, self._transport)

    def _begin(self, ready: Event) -> None:
        """Align the audio with the chunks that the server has."""
        stored_seq = int(ready.get("resume_from_seq", 0))
        # A session that was rebuilt but whose `ready` was lost reports that it was resumed. Its chunks begin at 1,
        # while the client's chunks are counted from the session's start.
        is_rebuilt = not ready.get("resumed", False) or (stored_seq == 0 and self._progress.committed_ms > 0)
        if is_rebuilt and self._buffer.can_rebuild:
            self._buffer.rebuild(self._progress.committed_ms)
        else:
            self._buffer.resume(stored_seq)
        again = self._ready.is_set()
        self._token = str(ready["resume_token"])
        self.session_id = str(ready["session_id"])
        self.config = dict(ready.get("config", {}))
        self._ready.set()
        if again:
            self.reconnects += 1
            if self._on_resumed is not None:
                self._on_resumed()

    async def _handle(self, event: Event) -> None:
        self._event_s = time.monotonic()
        news = self._progress.record(event)
        if event.get("type") == "ack":
            self._buffer.received(int(event["received_seq"]))
        self._buffer.trim(self._progress.committed_ms)
        if news is not None:
            while self._inbox.is_full:
                await self._change()
            self._inbox.put(news)
        self._notify()

    async def _await_done(self) -> None:
        while True:
            left_s = self._event_s + self._patience_s - time.monotonic()
            if left_s <= 0:
                break
            await asyncio.sleep(left_s)
        message = f"the last words did not come within {self._patience_s:g} s"
        self._end(SessionError("no_answer", message))
        self._tasks[0].cancel()

    def _end(self, failure: Exception | None) -> None:
        if not self._over:
            self._over, self._failure = True, failure
            self._ready.set()
            self._notify()

    def _check_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._over or self._buffer.stopped:
            raise SessionError("over", "the session takes no more audio: it was stopped")

    def _notify(self) -> None:
        # Set and replaced at once: all current waiters wake up and check for themselves what has changed.
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self) -> None:
        await self._changed.wait()
