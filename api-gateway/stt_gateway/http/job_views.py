"""What clients may see of a job: its view now, its view at each change, and its end."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from stt_gateway.context import GatewayContext
from stt_gateway.core.operation.estimate import seconds_left
from stt_gateway.core.requests.principal import Principal, Reach
from stt_gateway.core.texts.edits import edited_text
from stt_gateway.store.interface import Kind, Transcript
from stt_shared.contracts.errors import ERRORS, SttError
from stt_shared.contracts.events import iso_timestamp
from stt_shared.contracts.jobs import CallbackView, JobResult, JobStatus, JobView
from stt_shared.process.clock import wall_ms
from stt_shared.redis.channels import Inbox
from stt_shared.redis.outage import until_answered
from stt_shared.streams import keys
from stt_shared.streams.job_state import JobState
from stt_shared.streams.jobs import JOB_ENDINGS

CHECK_EVERY_S = 3.0
"""Interval at which a watched job is read although no change was announced, since an announcement may be lost."""
CHANGES_APART_S = 0.1
"""Least time between two reads of a watched job; changes that come in quicker succession are sent as one."""


async def job_view(context: GatewayContext, reach: Reach, job_id: str) -> JobView:
    """Return the view of a job in Redis or, after that, in the store.

    Raises SttError not_found, also for one that is out of reach.
    """
    state = await job_state(context, reach, job_id)
    if state is not None:
        told = state.status.is_final and state.config.callback_url
        callback = await context.bus.callbacks.view(job_id) if told else None
        return _state_view(job_id, state, callback)
    stored = await context.store.of(reach).get(job_id) if keys.is_valid_id(job_id) else None
    if stored is None or stored.kind is not Kind.JOB:
        raise SttError("not_found", "no such job; results are kept for a day")
    return _stored_view(stored)


async def job_changes(context: GatewayContext, principal: Principal, job_id: str) -> AsyncGenerator[JobView, None]:
    """Yield the job's view, and again whenever it may have changed, until it has ended or is deleted.

    Raises SttError when the key of the ``principal`` that watches is not valid any more.
    """
    ended: list[SttError] = []
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(context.key_holders.held(principal, ended.append))
        # Subscribed first and read second, so that no change falls between the two.
        inbox = await stack.enter_async_context(context.bus.jobs.changes(job_id))
        while True:
            if ended:
                raise ended[0]
            try:
                view = await until_answered(lambda: job_view(context, principal.reach, job_id))
            except SttError as error:
                if error.code == "not_found":
                    # The job was deleted: there is nothing more to tell.
                    return
            else:
                yield view
                if view.status.is_final:
                    return
            await _next_change(inbox)


class JobFailed(SttError):
    """Error of a job without a result. The same request would end in the same way, so nobody should repeat it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.is_retryable = False


def result_of(view: JobView) -> JobResult:
    """Return the result of a job that has ended. Raises JobFailed, with code conflict if it was cancelled."""
    if view.result is not None:
        return view.result
    if view.error is not None:
        raise JobFailed(view.error.code if view.error.code in ERRORS else "internal", view.error.message)
    raise JobFailed("conflict", f"the job was {view.status.value} before it was done")


async def stop_job(context: GatewayContext, reach: Reach, job_id: str) -> None:
    """Cancel a job within reach; does nothing if it has ended or is not in Redis any more."""
    state = await job_state(context, reach, job_id)
    if state is not None:
        at = keys.job_keys(job_id)
        await context.bus.jobs.finish(at, state.epoch, JobStatus.CANCELLED, now_ms=wall_ms())


async def job_state(context: GatewayContext, reach: Reach, job_id: str) -> JobState | None:
    """Return the state of a job in Redis; None if there is none within reach."""
    state = await context.bus.jobs.state(job_id) if keys.is_valid_id(job_id) else None
    return state if state is not None and reach.covers(state.config.maker) else None


def _state_view(job_id: str, state: JobState, callback: CallbackView | None) -> JobView:
    # Elapsed time at the last progress, not at present: the estimate changes only when the progress does.
    elapsed_s = (state.progress_ms - state.begun_ms) / 1000
    return JobView(
        job_id=job_id,
        status=state.status,
        progress=state.progress,
        filename=state.config.filename,
        created_at=iso_timestamp(state.created_ms),
        estimated_s=None if state.status.is_final else seconds_left(state.progress, elapsed_s),
        result=state.result,
        error=state.error,
        callback=callback,
        fetched_bytes=state.fetched_bytes if state.status is JobStatus.FETCHING else None,
        total_bytes=state.total_bytes or None,
    )


def _stored_view(stored: Transcript) -> JobView:
    """Return the view of a job that exists only in the store."""
    return JobView(
        job_id=stored.id,
        status=JobStatus(stored.state.value),
        progress=100.0,
        filename=stored.filename,
        created_at=iso_timestamp(stored.created_ms),
        result=JobResult(
            # As it was heard.
            text=edited_text(stored.segments, []) if stored.text_edits else stored.text,
            language=stored.language,
            duration=stored.duration_s,
            segments=stored.segments,
            unrecognized=stored.unrecognized,
            track=stored.track,
            warnings=stored.warnings,
        ),
    )


async def _next_change(inbox: Inbox) -> None:
    """Wait until the job may have changed. Its end is sent at once, other changes together with those that follow."""
    loop = asyncio.get_running_loop()
    message = await inbox.get(CHECK_EVERY_S)
    end_s = loop.time() + CHANGES_APART_S
    while message not in JOB_ENDINGS and (left_s := end_s - loop.time()) > 0:
        message = await inbox.get(left_s)
    inbox.clear()
