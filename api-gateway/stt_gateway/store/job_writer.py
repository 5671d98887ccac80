"""Writer of the results of jobs that have ended, from Redis to the transcript store."""

from collections.abc import Awaitable, Callable, Mapping

from stt_gateway.core.requests.principal import reach_of
from stt_gateway.store.interface import Kind, State, Transcript, TranscriptStore
from stt_gateway.store.queue_consumer import GROUP, QueueConsumer, until_stored
from stt_shared.contracts.jobs import JobResult, JobStatus
from stt_shared.contracts.speakers import NO_SPEAKERS
from stt_shared.process.tracing import tracer
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.job_state import JobState
from stt_shared.work.queue import WorkItem, WorkQueue

ChargeJob = Callable[[str, JobState], Awaitable[None]]


class JobWriter:
    """Writer of the transcripts of jobs.

    ``expires_ms`` returns when a transcript stored now expires, None for never. ``charge`` charges the audio of a job
    that has ended; it may be repeated.
    """

    def __init__(
        self,
        bus: Bus,
        store: TranscriptStore,
        replica_id: str,
        expires_ms: Callable[[], int | None],
        charge: ChargeJob | None = None,
    ) -> None:
        self._jobs = bus.jobs
        self._store = store
        self._expires_ms = expires_ms
        self._charge = charge
        self._consumer = QueueConsumer(WorkQueue(bus, keys.JOBS_ENDED, GROUP, replica_id), _job_id, self._write_entry)

    async def run(self) -> None:
        """Write until cancelled."""
        await self._consumer.run()

    async def _write_entry(self, _: WorkItem, job_id: str) -> bool:
        await self.write(job_id)
        return True

    async def write(self, job_id: str) -> bool:
        """Store a job's transcript, if it has one; False when the job has not ended.

        A job that was deleted after it ended has none, and one that is deleted during the write is refused by the
        store.
        """
        state = await self._jobs.state(job_id)
        if state is None:
            return True
        if state.status.is_final and self._charge is not None:
            await self._charge(job_id, state)
        if state.config.enrolls:
            return state.status.is_final
        if state.status is JobStatus.COMPLETED and (result := state.result) is not None:
            transcript = job_transcript(job_id, state, result, self._expires_ms())
            store = self._store.of(reach_of(state.config.maker))
            with tracer().span("store", state.config.traceparent, job_id=job_id):
                await until_stored(lambda: store.put(transcript))
        return state.status.is_final


def job_transcript(job_id: str, state: JobState, result: JobResult, expires_ms: int | None) -> Transcript:
    """Return the transcript of a completed job."""
    config = state.config
    return Transcript(
        id=job_id,
        kind=Kind.JOB,
        state=State.COMPLETED,
        created_ms=int(state.created_ms),
        title=config.filename,
        filename=config.filename,
        duration_s=result.duration,
        language=result.language,
        model=config.model,
        task=config.task,
        text=result.text,
        segments=result.segments,
        unrecognized=result.unrecognized,
        track=result.track,
        warnings=result.warnings,
        # Once the model is installed, the same upload has speakers.
        content_key="" if any(warning.code == NO_SPEAKERS for warning in result.warnings) else config.content_key,
        expires_ms=expires_ms,
    )


def _job_id(fields: Mapping[bytes, bytes]) -> str:
    return fields[b"id"].decode()
