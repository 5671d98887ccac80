"""Clients that wait for their job: the answer to their request is its result."""

import contextlib

from fastapi import Request
from starlette.requests import ClientDisconnect

from stt_gateway.authorize import principal_of
from stt_gateway.context import context_of
from stt_gateway.http.disconnects import while_connected
from stt_gateway.http.job_views import JobFailed, job_changes, stop_job
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobView


async def wait_for_job(request: Request, job_id: str, *, cancels: bool) -> JobView:
    """Return the view of a job that has ended. The body of the request has been read.

    ``cancels``: a client that leaves cancels the job, and so does one whose key is not valid any more. Raises
    ClientDisconnect, JobFailed for a job that was deleted, and SttError.
    """
    try:
        return await while_connected(request, _end(request, job_id))
    except (ClientDisconnect, SttError):
        if cancels:
            await stop_job(context_of(request), principal_of(request).reach, job_id)
        raise


async def _end(request: Request, job_id: str) -> JobView:
    async with contextlib.aclosing(job_changes(context_of(request), principal_of(request), job_id)) as views:
        async for view in views:
            if view.status.is_final:
                return view
    raise JobFailed("conflict", "the job was deleted before it was done")
