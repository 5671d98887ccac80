"""Permanent deletion: a transcript in the store, and what its job or session left in Redis and the spool folder."""

import asyncio
from pathlib import Path

from stt_gateway.context import GatewayContext
from stt_gateway.core.requests.principal import Reach
from stt_gateway.http.job_views import job_state
from stt_gateway.store.names import session_id_of, stored_id
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus

_ENDED = "done"


async def erase_job(context: GatewayContext, reach: Reach, job_id: str) -> bool:
    """Remove a job that has ended, and its transcript; return False if there is none within reach or it has not ended.

    May be repeated when the store or Redis was unreachable.
    """
    state = await job_state(context, reach, job_id)
    if state is not None and not state.status.is_final:
        return False
    # Delete from the store first: from here on, a writer that has already read the result stores nothing.
    stored = await context.store.of(reach).delete(job_id, wall_ms(), may_come=state is not None)
    if state is None:
        return stored
    # The writer finds no job to charge any more.
    await context.accounts.charge_job(job_id, state)
    # The audio-processor sweeps the files of jobs that it can find, and those of others only after a while.
    spool_name = state.config.spool_name
    if Path(spool_name).name == spool_name:
        await asyncio.to_thread((context.settings.spool_dir / spool_name).unlink, missing_ok=True)
    await context.bus.jobs.delete(job_id)
    return True


async def erase_transcript(context: GatewayContext, reach: Reach, id: str) -> bool:
    """Remove a stored transcript of a job or a live session; return False if there is none within reach."""
    store = context.store.of(reach)
    stored = await store.get(id)
    if stored is None and reach.key_id is not None:
        # Which key has made the utterances of a session without a transcript is not known.
        return await erase_job(context, reach, id)
    utterances = await store.session_utterances(id)
    if utterances or (stored is not None and stored.kind == "live"):
        # Redis first: only the store knows which keys belong to the transcript.
        names = {session_id_of(id), *([stored.title] if stored else [])}
        for session_id in names:
            await _erase_session(context.bus, reach.tenant, session_id, id)
        for conversation_id in {one.conversation_id for one in utterances if one.conversation_id}:
            await context.bus.conversations.delete_utterances(
                reach.tenant, conversation_id, lambda one: stored_id(one.session_id, one.instance) == id
            )
        return await store.delete(id, wall_ms())
    return await erase_job(context, reach, id)


async def _erase_session(bus: Bus, tenant: str, session_id: str, id: str) -> None:
    """Remove the keys of a session that has ended.

    A running session keeps its keys: they are needed, and expire by themselves soon after its end.
    """
    if not keys.is_valid_id(session_id):
        return
    at = keys.session_keys_of(tenant, session_id)
    state = await bus.sessions.state(at)
    if state is not None and state.state == _ENDED and stored_id(session_id, state.resume_token) == id:
        await bus.sessions.delete(at)
