"""Decoding of file jobs: turns an uploaded file into 16 kHz frames of one second, in order, until STOP."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import redis
import structlog
from redis.asyncio import Redis

from stt_audio.files.decoder import FileDecoder
from stt_audio.pcm_writer import OwnershipLost, PcmWriter, WriteHole
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.frames import FrameKind
from stt_shared.contracts.jobs import JobConfig, JobError, JobStatus
from stt_shared.contracts.session import AUDIO_RATE_HZ, encode_json
from stt_shared.process.clock import wall_ms
from stt_shared.process.priority import lower_thread_priority
from stt_shared.redis.outage import REDIS_ERRORS, until_answered
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.stage import Assignment

_log = structlog.get_logger()

MAX_AHEAD_S = 64
"""Most seconds of a file that wait in Redis for the transcriber."""
WATCH_RETRY_S = 0.05

OVER_CHECK_S = 0.5
"""Interval between checks for a cancelled job while its file is being opened."""

_decode_config = msgspec.json.Decoder(JobConfig).decode


class FileJobs:
    """File jobs of this replica, with the resources they share. ``handle`` runs one of them."""

    def __init__(
        self,
        bus: Bus,
        spool_dir: Path,
        max_decoded_samples: int,
        guard: CrashGuard | None = None,
    ) -> None:
        self._bus = bus
        self._spool_dir = spool_dir
        self._max_decoded_samples = max_decoded_samples
        self._guard = guard or CrashGuard(bus)

    async def handle(self, assignment: Assignment) -> None:
        """Decode one file to its end. The job fails if the file cannot be decoded or killed every worker that tried."""
        owner = assignment.owner
        replica = assignment.fields.get(b"owner:audio", b"").decode()
        async with self._guard.stage(
            owner.keys, owner.epoch, keys.STAGE_AUDIO, replica, assignment.follows, "pcm_seq"
        ) as allowed:
            if allowed:
                await self._handle(assignment)

    async def _handle(self, assignment: Assignment) -> None:
        owner = assignment.owner
        log = _log.bind(job_id=owner.keys.id)
        try:
            await self._set_while_active(owner, {"status": JobStatus.PROCESSING.value})
            n_samples = await self._decode(assignment)
            log.info("file decoded", n_samples=n_samples)
        except OwnershipLost:
            log.info("file job abandoned: cancelled or taken over")
        except SttError as error:
            await self._fail(owner, error)
        except OSError as error:
            log.error("upload unreadable", cause=str(error))
            await self._fail(
                owner,
                SttError("internal", "the uploaded file is not in the spool folder (SPOOL_DIR) of the audio-processor"),
            )
        except WriteHole as hole:
            log.error("log hole found", cause=str(hole))
            await self._fail(owner, SttError("internal", "audio was lost on its way to the transcriber"))
        except REDIS_ERRORS:
            raise
        except Exception:
            await self._fail(owner, SttError("internal", "the decoder failed"))  # and the stage logs it
            raise

    async def _decode(self, assignment: Assignment) -> int:
        """Append the whole file and return its length in samples.

        After a takeover the next owner also decodes from the beginning: the frames are the same, and those up to
        ``pcm_seq`` are already in the log (or were read and trimmed).
        """
        owner = assignment.owner
        written = int(assignment.fields.get(b"pcm_seq", b"0"))
        path = _spooled(self._spool_dir, _decode_config(assignment.fields[b"config"]))
        writer = PcmWriter(self._bus, owner, max_samples=MAX_AHEAD_S * AUDIO_RATE_HZ)
        async with _in_own_thread(path, self._max_decoded_samples, lambda: self._must_be_active(owner)) as (
            total_samples,
            frames,
        ):
            if total_samples:
                await self._set_while_active(owner, {"total_samples": str(total_samples)})
            async for pcm in frames:
                if writer.seq < written:
                    writer.skip(pcm)
                else:
                    await writer.write(FrameKind.AUDIO, pcm)
        await self._set_while_active(owner, {"total_samples": str(writer.position_samples)})
        await writer.write(FrameKind.STOP)
        return writer.position_samples

    async def _set_while_active(self, owner: Ownership, fields: Mapping[str, str]) -> None:
        """Set fields of the job; raises OwnershipLost if the job has ended or belongs to another replica."""
        await until_answered(lambda: self._try_to_set(owner, fields))

    async def _try_to_set(self, owner: Ownership, fields: Mapping[str, str]) -> None:
        state = owner.keys.state
        async with self._bus.client.pipeline() as pipe:
            while True:
                # Without WATCH, a write after a concurrent cancellation would undo it; with it, the write fails.
                await pipe.watch(state)
                await _check_active(pipe, owner)
                pipe.multi()  # type: ignore[no-untyped-call]
                pipe.hset(state, mapping=dict(fields.items()))
                try:
                    await pipe.execute()
                except redis.WatchError:
                    # redis-py also raises this for a lost connection or a rejected command here.
                    await asyncio.sleep(WATCH_RETRY_S)
                    continue
                return

    async def _must_be_active(self, owner: Ownership) -> None:
        """Raise OwnershipLost once the job was cancelled or taken over."""
        await until_answered(lambda: _check_active(self._bus.client, owner))

    async def _fail(self, owner: Ownership, error: SttError) -> None:
        _log.info("file job failed", job_id=owner.keys.id, code=error.code, cause=error.message)
        body = encode_json(JobError(error.code, error.message))
        await until_answered(
            lambda: self._bus.jobs.finish(owner.keys, owner.epoch, JobStatus.FAILED.value, error=body, now_ms=wall_ms())
        )


async def _check_active(client: Redis, owner: Ownership) -> None:
    found: list[Any] = await client.hmget(owner.keys.state, ["epoch", "status", f"fence:{owner.stage}"])
    epoch, status, fence = found
    if (epoch, fence) != (owner.epoch.encode(), str(owner.fence).encode()):
        raise OwnershipLost("gone")
    if status is not None and JobStatus(status.decode()).is_final:
        raise OwnershipLost("gone")


@contextlib.asynccontextmanager
async def _in_own_thread(
    path: Path, max_samples: int, check_active: Callable[[], Awaitable[None]]
) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
    """Yield the length that the file claims (in samples, 0 = unknown) and its frames; the decoder stays in its thread.

    ``check_active`` is called while the file is being opened; an exception from it aborts the opening.
    """
    loop = asyncio.get_running_loop()
    cancelled = threading.Event()
    # One worker: PyAV's objects must be opened, used and closed by the same thread.
    executor = ThreadPoolExecutor(1, thread_name_prefix="file decoder", initializer=lower_thread_priority)
    try:
        opening = executor.submit(FileDecoder, path, max_samples, cancelled)
        try:
            decoder = await _opened(asyncio.wrap_future(opening), check_active)

            async def frames() -> AsyncIterator[bytes]:
                while pcm := await loop.run_in_executor(executor, decoder.read):
                    yield pcm

            yield decoder.total_samples, frames()
        finally:
            cancelled.set()
            # Runs once the thread has finished its current call, also after a cancellation.
            executor.submit(_close_opened, opening)
    finally:
        executor.shutdown(wait=False)


async def _opened(opening: "asyncio.Future[FileDecoder]", check_active: Callable[[], Awaitable[None]]) -> FileDecoder:
    try:
        while not (await asyncio.wait({opening}, timeout=OVER_CHECK_S))[0]:
            await check_active()
        return opening.result()
    finally:
        opening.cancel()


def _close_opened(opening: Future[FileDecoder]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _spooled(spool_dir: Path, config: JobConfig) -> Path:
    """Return the path of the upload. Its name comes from the gateway, but must not lead out of the folder."""
    if Path(config.spool_name).name != config.spool_name:
        raise SttError("internal", "invalid upload name")
    return spool_dir / config.spool_name
