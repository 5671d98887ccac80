"""What callbacks tell: the end of a job, with its result, and that of a live session."""

import asyncio
from typing import Any

import msgspec

from stt_gateway.context import GatewayContext
from stt_gateway.core.requests.principal import Reach
from stt_gateway.http.deepgram_views import deepgram_body
from stt_gateway.http.job_views import job_state, job_view
from stt_gateway.outbound.callbacks import NotEnded, Told
from stt_gateway.store.names import stored_id
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import Done, Error, iso_timestamp
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys
from stt_shared.streams.callbacks import Callback, CallbackKind
from stt_shared.streams.session_state import SessionState

_ENDED = "done"


async def callback_told(context: GatewayContext, callback: Callback) -> Told | None:
    """Return the JSON that a callback tells; None if its job was deleted.

    Raises NotEnded for a session that goes on, SttError when the store does not answer, and Redis errors.
    """
    if callback.kind is CallbackKind.SESSION:
        return Told(await _session_body(context, callback))
    try:
        reach = Reach(callback.tenant)
        view, state = await job_view(context, reach, callback.of), await job_state(context, reach, callback.of)
    except SttError as error:
        if error.code == "not_found":
            return None
        raise
    method = state.config.callback_method if state else "POST"
    if state and state.config.callback_form:
        model = next(iter(context.admission.known_models), "")
        return Told(await asyncio.to_thread(deepgram_body, view, state.config.callback_form, model), method)
    path = f"{context.settings.root_path}/v1/stt/jobs/{callback.of}"
    links = {"status_url": path} | ({"result_url": f"{path}/result.json"} if view.result else {})
    data = msgspec.to_builtins(msgspec.structs.replace(view, callback=None))
    return Told(_body(f"job.{view.status}", callback.ended_ms, data | links), method)


async def _session_body(context: GatewayContext, callback: Callback) -> bytes:
    at = keys.session_keys(callback.of)
    state = await context.bus.sessions.state(at)
    if state is not None and state.epoch == callback.epoch and state.state != _ENDED:
        raise NotEnded
    data: dict[str, Any] = {"session_id": at.name}
    if state is None or state.epoch != callback.epoch:
        # It was given up, replaced, or ended long before anybody could look.
        return _body("session.closed", wall_ms(), data | {"status": "closed"})
    data |= _links(context, state, at.name)
    match await context.bus.sessions.last_event(at, callback.epoch):
        case Done(duration_ms=duration_ms, finals=finals):
            data |= {"status": "completed", "duration_ms": duration_ms, "finals": finals}
        case Error(code=code, message=message):
            data |= {"status": "failed", "finals": state.finals, "error": {"code": code, "message": message}}
        case _:
            data |= {"status": "closed", "finals": state.finals}
    return _body(f"session.{data['status']}", wall_ms(), data)


def _links(context: GatewayContext, state: SessionState, session_id: str) -> dict[str, Any]:
    links: dict[str, Any] = {}
    if state.config.conversation_id is not None:
        links["conversation_id"] = state.config.conversation_id
    if state.config.store:
        transcript_id = stored_id(session_id, state.resume_token)
        url = f"{context.settings.root_path}/v1/stt/transcripts/{transcript_id}"
        links |= {"transcript_id": transcript_id, "transcript_url": url}
    return links


def _body(kind: str, ended_ms: float, data: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"type": kind, "timestamp": iso_timestamp(ended_ms), "data": data})
