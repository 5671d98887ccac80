"""Decoding of file jobs: turns an uploaded file into 16 kHz frames of one second, in order, until STOP."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from stt_audio.files.decoder_process import DecoderProcess
from stt_audio.isolation.process import DecoderLost
from stt_audio.pcm_writer import PcmWriter
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.frames import FrameKind
from stt_shared.contracts.jobs import DecodedFile, JobConfig
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.process.tracing import tracer
from stt_shared.redis.outage import REDIS_ERRORS, until_answered
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.job_state import JobState
from stt_shared.streams.ownership import Ownership, OwnershipLost, RolledBack
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.stage import Assignment

_log = structlog.get_logger()

MAX_AHEAD_S = 64
"""Most seconds of a file that wait in Redis for the transcriber."""

OVER_CHECK_S = 0.5
"""Interval between checks for a cancelled job while its decoder returns nothing."""
MAX_LOST_DECODERS = 3
"""Decoders that may be lost for a reason outside the file before the job fails."""

T = TypeVar("T")


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
            with tracer().span("decode", state.config.traceparent, job_id=owner.keys.id, replica=assignment.replica_id):
                await self._handle(assignment, state)
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
        except (RolledBack, *REDIS_ERRORS):
            raise
        except Exception:
            await self._fail(owner, SttError("internal", "the decoder failed"))  # and the stage logs it
            raise

    async def _handle(self, assignment: Assignment, state: JobState) -> None:
        owner = assignment.owner
        async with self._guard.stage(
            owner.keys, owner.epoch, keys.STAGE_AUDIO, assignment.replica_id, assignment.follows, "pcm_seq"
        ) as allowed:
            if allowed:
                _log.info("file decoded", job_id=owner.keys.id, n_samples=await self._decode(owner, state))

    async def _decode(self, owner: Ownership, state: JobState) -> int:
        """Append the whole file and return its length in samples. Raises OwnershipLost, among others.

        After a takeover the next owner also decodes from the beginning: the frames are the same, and those up to
        ``state.pcm_seq`` are already in the log (or were read and trimmed).
        """
        jobs = self._bus.jobs
        await _must_own(lambda: jobs.set_processing(owner))
        path = _spooled(self._spool_dir, state.config)
        writer = PcmWriter(self._bus, owner, max_samples=MAX_AHEAD_S * AUDIO_RATE_HZ)
        decoder = partial(
            DecoderProcess, path, self._max_decoded_samples, state.config.track, state.config.channel_mode
        )
        found = await self._write_frames(owner, decoder, writer, state.pcm_seq)
        await _must_own(lambda: jobs.set_decoded(owner, writer.position_samples, found))
        await writer.write(FrameKind.STOP)
        return writer.position_samples

    async def _write_frames(
        self, owner: Ownership, new_decoder: Callable[[], DecoderProcess], writer: PcmWriter, in_log: int
    ) -> DecodedFile:
        """Append all frames but the first ``in_log``, and return what was found in the file.

        A decoder that is lost for a reason outside the file is replaced, and decodes the file again.
        """
        for lost in itertools.count(1):
            try:
                return await self._write_new_frames(owner, new_decoder(), writer, in_log)
            except DecoderLost as error:
                _log.warning("decoder lost", job_id=owner.keys.id, cause=str(error))
                if lost == MAX_LOST_DECODERS:
                    message = f"{lost} decoders of this file were killed, one after another"
                    raise SttError("bad_audio", message) from error
        raise AssertionError

    async def _write_new_frames(
        self, owner: Ownership, decoder: DecoderProcess, writer: PcmWriter, in_log: int
    ) -> DecodedFile:
        jobs = self._bus.jobs
        check_active = partial(_must_own, lambda: jobs.owns(owner))
        async with _decoded(decoder, check_active) as frames:
            if decoder.total_samples:
                await _must_own(lambda: jobs.set_length(owner, decoder.total_samples))
            writer.channels = decoder.channels
            seq = 0
            async for pcm in frames:
                seq += 1
                if seq <= writer.seq:
                    continue  # written before the last decoder was lost
                if seq <= in_log:
                    writer.skip(pcm)
                else:
                    await writer.write(FrameKind.AUDIO, pcm)
            return decoder.found

    async def _fail(self, owner: Ownership, error: SttError) -> None:
        _log.info("file job failed", job_id=owner.keys.id, code=error.code, cause=error.message)
        await until_answered(lambda: self._bus.jobs.fail(owner.keys, owner.epoch, error.code, error.message))


async def _must_own(call: Callable[[], Awaitable[bool]]) -> None:
    """Raise OwnershipLost if ``call`` says that the job has ended or belongs to another replica."""
    if not await until_answered(call):
        raise OwnershipLost("gone")


@contextlib.asynccontextmanager
async def _decoded(
    decoder: DecoderProcess, check_active: Callable[[], Awaitable[None]]
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Open a decoder and yield its frames.

    ``check_active`` is called while the decoder is busy; an exception from it ends the decoding. In the end the process
    is killed, whatever it is doing.
    """
    # One worker: each call waits for the process.
    executor = ThreadPoolExecutor(1, thread_name_prefix="file decoder")

    async def answered(call: Callable[[], T]) -> T:
        waiting = asyncio.get_running_loop().run_in_executor(executor, call)
        try:
            while not (await asyncio.wait({waiting}, timeout=OVER_CHECK_S))[0]:
                await check_active()
            return waiting.result()
        finally:
            waiting.cancel()

    async def frames() -> AsyncIterator[bytes]:
        while pcm := await answered(decoder.read):
            yield pcm

    try:
        await answered(decoder.open)
        yield frames()
    finally:
        decoder.kill()
        executor.submit(decoder.close)  # runs once the thread has finished its current call
        executor.shutdown(wait=False)


def _spooled(spool_dir: Path, config: JobConfig) -> Path:
    """Return the path of the upload. Its name comes from the gateway, but must not lead out of the folder."""
    if Path(config.spool_name).name != config.spool_name:
        raise SttError("internal", "invalid upload name")
    return spool_dir / config.spool_name
