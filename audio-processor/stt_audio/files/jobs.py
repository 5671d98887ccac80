"""Decoding of file jobs: turns an uploaded file into 16 kHz frames of one second, in order, until STOP."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import structlog

from stt_audio.files.decoder import FileDecoder
from stt_audio.pcm_writer import PcmWriter, WriteHole
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.frames import FrameKind
from stt_shared.contracts.jobs import JobConfig
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.process.priority import lower_thread_priority
from stt_shared.redis.outage import REDIS_ERRORS, until_answered
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.job_state import JobState
from stt_shared.streams.ownership import Ownership, OwnershipLost
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.stage import Assignment

_log = structlog.get_logger()

MAX_AHEAD_S = 64
"""Most seconds of a file that wait in Redis for the transcriber."""

OVER_CHECK_S = 0.5
"""Interval between checks for a cancelled job while its file is being opened."""


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
        log = _log.bind(job_id=owner.keys.id)
        try:
            state = JobState.read(assignment.fields)
            if state is None:
                return
            async with self._guard.stage(
                owner.keys, owner.epoch, keys.STAGE_AUDIO, assignment.replica_id, assignment.follows, "pcm_seq"
            ) as allowed:
                if allowed:
                    log.info("file decoded", n_samples=await self._decode(owner, state))
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

    async def _decode(self, owner: Ownership, state: JobState) -> int:
        """Append the whole file and return its length in samples. Raises OwnershipLost, among others.

        After a takeover the next owner also decodes from the beginning: the frames are the same, and those up to
        ``state.pcm_seq`` are already in the log (or were read and trimmed).
        """
        jobs = self._bus.jobs
        await _must_own(lambda: jobs.set_processing(owner))
        path = _spooled(self._spool_dir, state.config)
        writer = PcmWriter(self._bus, owner, max_samples=MAX_AHEAD_S * AUDIO_RATE_HZ)
        async with _in_own_thread(path, self._max_decoded_samples, lambda: _must_own(lambda: jobs.owns(owner))) as (
            decoder,
            frames,
        ):
            if decoder.total_samples:
                await _must_own(lambda: jobs.set_length(owner, decoder.total_samples))
            async for pcm in frames:
                if writer.seq < state.pcm_seq:
                    writer.skip(pcm)
                else:
                    await writer.write(FrameKind.AUDIO, pcm)
            found = decoder.found
        await _must_own(lambda: jobs.set_decoded(owner, writer.position_samples, found))
        await writer.write(FrameKind.STOP)
        return writer.position_samples

    async def _fail(self, owner: Ownership, error: SttError) -> None:
        _log.info("file job failed", job_id=owner.keys.id, code=error.code, cause=error.message)
        await until_answered(lambda: self._bus.jobs.fail(owner.keys, owner.epoch, error.code, error.message))


async def _must_own(call: Callable[[], Awaitable[bool]]) -> None:
    """Raise OwnershipLost if ``call`` says that the job has ended or belongs to another replica."""
    if not await until_answered(call):
        raise OwnershipLost("gone")


@contextlib.asynccontextmanager
async def _in_own_thread(
    path: Path, max_samples: int, check_active: Callable[[], Awaitable[None]]
) -> AsyncIterator[tuple[FileDecoder, AsyncIterator[bytes]]]:
    """Yield the opened decoder and its frames, which are decoded in a thread of their own.

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

            yield decoder, frames()
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
