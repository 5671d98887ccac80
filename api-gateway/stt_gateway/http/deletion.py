"""Permanent deletion: a transcript in the store, and what its job or session left in Redis and the spool folder."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from stt_gateway.context import GatewayContext
from stt_gateway.store.names import session_id_of, stored_id
from stt_shared.contracts.jobs import JobConfig, JobStatus
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus

_PAGE = 256
_ENDED = b"done"

_decode_config = msgspec.json.Decoder(JobConfig).decode


class _Speaker(msgspec.Struct):
    session_id: str
    instance: str


_decode_speaker = msgspec.json.Decoder(_Speaker).decode


async def erase_job(services: GatewayContext, job_id: str) -> bool:
    """Remove a job that has ended, and its transcript; return False if there is no such job or it has not ended.

    May be repeated when the store or Redis was unreachable.
    """
    fields = await services.bus.sessions.all_fields(keys.job_keys(job_id))
    status = fields.get(b"status")
    if status is not None and not JobStatus(status.decode()).is_final:
        return False
    # Delete from the store first: from here on, a writer that has already read the result stores nothing.
    kept = await services.store.delete(job_id, wall_ms(), may_come=status is not None)
    if status is None:
        return kept
    # The audio-processor sweeps the files of jobs that it can find, and those of others only after a while.
    spool_name = _decode_config(fields[b"config"]).spool_name
    if Path(spool_name).name == spool_name:
        await asyncio.to_thread((services.settings.spool_dir / spool_name).unlink, missing_ok=True)
    at = keys.job_keys(job_id)
    await services.bus.client.unlink(at.state, keys.job_parts(job_id), at.pcm_log, at.audio_log, at.results_log)
    return True


async def erase_transcript(services: GatewayContext, id: str) -> bool:
    """Remove a stored transcript of a job or a live session; return False if there is none."""
    kept = await services.store.get(id)
    spoken = await services.store.session_utterances(id)
    if spoken or (kept is not None and kept.kind == "live"):
        # Redis first: only the store knows which keys belong to the transcript.
        names = {session_id_of(id), *([kept.title] if kept else [])}
        for session_id in names:
            await _erase_session(services.bus, session_id, id)
        for conversation_id in {one.conversation_id for one in spoken}:
            await _erase_spoken(services.bus, conversation_id, id)
        return await services.store.delete(id, wall_ms())
    return await erase_job(services, id)


async def _erase_session(bus: Bus, session_id: str, id: str) -> None:
    """Remove the keys of a session that has ended.

    A running session keeps its keys: they are needed, and expire by themselves an hour after its end.
    """
    if not keys.is_valid_id(session_id):
        return
    at = keys.session_keys(session_id)
    token, state = await _fields(bus, at.state, "resume_token", "state")
    if state == _ENDED and stored_id(session_id, token.decode()) == id:
        await bus.client.unlink(at.state, at.audio_log, at.pcm_log, at.results_log)


async def _erase_spoken(bus: Bus, conversation_id: str, id: str) -> None:
    """Remove the transcript's utterances from the log with which viewers of the conversation catch up."""
    log = keys.conversation_keys(conversation_id).log
    oldest = "-"
    while True:
        entries: Any = await bus.client.xrange(log, min=oldest, count=_PAGE)
        gone = []
        for entry_id, fields in entries:
            speaker = _decode_speaker(fields[b"event"])
            if stored_id(speaker.session_id, speaker.instance) == id:
                gone.append(entry_id)
        if gone:
            await bus.client.xdel(log, *gone)
        if len(entries) < _PAGE:
            return
        oldest = f"({entries[-1][0].decode()}"


async def _fields(bus: Bus, key: str, *names: str) -> list[bytes]:
    found: list[Any] = await bus.client.hmget(key, list(names))
    return [value or b"" for value in found]
