"""One live session at this stage: ingest frames in, 16 kHz frames out, in order, until STOP."""

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import Executor
from typing import Any, cast

import redis
import structlog
from redis.asyncio import Redis

from stt_audio.live import LiveDecoder, live_decoder
from stt_audio.redis_retry import until_reached
from stt_audio.writer import NotOurs, PcmWriter, WriteHole
from stt_shared.bus.channels import ChannelHub
from stt_shared.bus.functions import Functions
from stt_shared.bus.log import LogHole, LogReader, read_audio
from stt_shared.bus.work import Assignment
from stt_shared.clock import wall_ms
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.frames import Frame, FrameKind, frame_from_entry
from stt_shared.contracts.session import TARGET_SAMPLE_RATE, SessionState, session_state
from stt_shared.metrics import SESSIONS, SESSIONS_TOTAL, stage_seconds

_log = structlog.get_logger()

SERVICE = "audio-processor"
MAX_FRAME_BYTES = 2 * TARGET_SAMPLE_RATE
"""Longest frame in the PCM log: one second."""


class LiveSessions:
    """What all live sessions of this replica share. ``handle`` runs one of them."""

    def __init__(
        self, client: Redis, functions: Functions, hub: ChannelHub, executor: Executor, max_decoded_samples: int
    ) -> None:
        self._client = client
        self._functions = functions
        self._hub = hub
        self._executor = executor
        self._max_decoded_samples = max_decoded_samples

    async def handle(self, assignment: Assignment) -> None:
        """Decodes one session until its STOP, its end or the loss of its ownership."""
        SESSIONS_TOTAL.labels(SERVICE).inc()
        with SESSIONS.labels(SERVICE).track_inprogress(), contextlib.suppress(NotOurs):
            state = session_state(assignment.fields)
            writer = PcmWriter(self._functions, assignment.owner, seq=state.pcm_seq)
            try:
                await self._decode(assignment, state, writer)
            except (LogHole, WriteHole) as hole:
                _log.error("hole in a log", session_id=writer.session_id, cause=str(hole))
                writer.seq = await until_reached(lambda: self._last_seq(assignment))
                await _write_failure(writer, SttError("internal", "audio was lost on its way to the decoder"))
            except SttError as error:
                await _write_failure(writer, error)
            except (NotOurs, redis.RedisError):
                raise
            except Exception:
                # Whatever it is, the client must not wait for ever; the stage logs it.
                await _write_failure(writer, SttError("internal", "the decoder failed"))
                raise

    async def _decode(self, assignment: Assignment, state: SessionState, writer: PcmWriter) -> None:
        if state.pcm_seq and await self._resume(assignment, state, writer):
            return
        reader = read_audio(self._client, self._hub, assignment.owner.keys, state.consumed_seq)
        decoder = live_decoder(state.config, self._executor, self._max_decoded_samples)
        try:
            async with contextlib.aclosing(self._frames(assignment, reader)) as frames:
                await _Road(writer, decoder, state.consumed_seq).travel(frames)
        finally:
            await decoder.close()

    async def _resume(self, assignment: Assignment, state: SessionState, writer: PcmWriter) -> bool:
        """Sets ``writer`` behind what another replica has written; True when that had come to the end.

        Raises SttError for a container: its decoder cannot start in the middle.
        """
        at = assignment.owner.keys
        entries: Any = await until_reached(lambda: self._client.xrevrange(at.pcm_log, count=1))
        if entries:
            entry_id, fields = entries[0]
            last = frame_from_entry(int(entry_id.partition(b"-")[0]), fields)
            if last.kind is FrameKind.STOP:
                return True
            writer.position_samples = last.meta.start_sample + len(last.data) // 2
        else:
            # Read after the log: all of it was committed and forgotten, so the commit stands at its end.
            committed = await until_reached(lambda: self._client.hget(at.state, "committed_samples"))
            writer.position_samples = int(committed or 0)
        if state.config.encoding.bytes_per_sample is None:
            raise SttError("internal", "the decoder of a compressed stream was lost")
        return False

    async def _frames(self, assignment: Assignment, reader: LogReader[Frame]) -> AsyncGenerator[Frame, None]:
        """Ingest frames for as long as the session is ours, also across a loss of the connection to Redis."""
        while True:
            try:
                items = cast(AsyncGenerator[Frame | None, None], reader.items())
                async with contextlib.aclosing(items):
                    async for frame in items:
                        if frame is not None:
                            yield frame
                        elif not await self._is_ours(assignment):
                            return
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("reading interrupted", session_id=assignment.owner.keys.id, cause=str(error))
                await until_reached(self._ping)

    async def _ping(self) -> None:
        await self._client.ping()

    async def _is_ours(self, assignment: Assignment) -> bool:
        owner = assignment.owner
        epoch, state, fence = await self._client.hmget(owner.keys.state, ["epoch", "state", f"fence:{owner.stage}"])
        return (epoch, fence) == (owner.epoch.encode(), str(owner.fence).encode()) and state != b"done"

    async def _last_seq(self, assignment: Assignment) -> int:
        return int(await self._client.hget(assignment.owner.keys.state, "pcm_seq") or 0)


class _Road:
    """Takes the frames of one session through its decoder into its PCM log."""

    def __init__(self, writer: PcmWriter, decoder: LiveDecoder, consumed_seq: int) -> None:
        self._writer = writer
        self._decoder = decoder
        self._consumed_seq = consumed_seq

    async def travel(self, frames: AsyncIterator[Frame]) -> None:
        """Returns after STOP, or when ``frames`` end. Raises SttError, NotOurs, LogHole or WriteHole."""
        async for frame in frames:
            queue_ms = max(0.0, wall_ms() - frame.meta.received_ms) if frame.meta.received_ms else 0.0
            stage_seconds("queue").observe(queue_ms / 1000)
            await self._pass_on(frame, queue_ms)
            if frame.kind is FrameKind.STOP:
                return

    async def _pass_on(self, frame: Frame, queue_ms: float) -> None:
        if frame.kind is FrameKind.AUDIO:
            await self._write_all(self._decoder.feed(frame.data), frame, queue_ms, completes=True)
            return
        rest = self._decoder.finish() if frame.kind is FrameKind.STOP else self._decoder.flush()
        await self._write_all(rest, frame, queue_ms, completes=False)
        await self._writer.write(frame.kind, consumed=frame.seq, received_ms=frame.meta.received_ms, queue_ms=queue_ms)
        self._consumed_seq = frame.seq

    async def _write_all(self, pieces: AsyncIterator[bytes], frame: Frame, queue_ms: float, *, completes: bool) -> None:
        """Writes what the decoder hands out. With ``completes`` the last frame written says that ``frame`` is done."""
        began = time.perf_counter()
        decode_ms = 0.0
        held: bytes | None = None
        try:
            async for pcm in pieces:
                decode_ms = (time.perf_counter() - began) * 1000
                stage_seconds("decode").observe(decode_ms / 1000)
                for piece in _cut(pcm):
                    # One piece behind, so that only the last of them can release the ingest frame.
                    if held is not None:
                        await self._write(held, frame, queue_ms, decode_ms)
                    held = piece
                began = time.perf_counter()
        except SttError:
            # The client gets the text of all that could be heard.
            if held is not None:
                await self._write(held, frame, queue_ms, decode_ms)
            raise
        if completes:
            self._consumed_seq = frame.seq
        if held is not None:
            await self._write(held, frame, queue_ms, decode_ms)

    async def _write(self, pcm: bytes, frame: Frame, queue_ms: float, decode_ms: float) -> None:
        await self._writer.write(
            FrameKind.AUDIO,
            pcm,
            consumed=self._consumed_seq,
            received_ms=frame.meta.received_ms,
            queue_ms=queue_ms,
            decode_ms=decode_ms,
        )


def _cut(pcm: bytes) -> Iterator[bytes]:
    for start in range(0, len(pcm), MAX_FRAME_BYTES):
        yield pcm[start : start + MAX_FRAME_BYTES]


async def _write_failure(writer: PcmWriter, error: SttError) -> None:
    _log.info("session failed", session_id=writer.session_id, code=error.code, cause=error.message)
    await writer.write(FrameKind.STOP, error=f"{error.code}: {error.message}")
