"""Route ``GET /v1/stt/conversations/{id}``: a conversation, read from the store. ws/viewer.py follows it live."""

from typing import Any

from fastapi import APIRouter, Request, Response
from msgspec import UNSET

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import context_of, query_of
from stt_gateway.core.requests.parameters import MAX_NUMBER, Parameters, number
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.viewer_request import check_conversation_id
from stt_gateway.http.responses import json_response
from stt_gateway.store.interface import MAX_UTTERANCES, NumberedUtterance
from stt_gateway.store.names import session_id_of

router = APIRouter(prefix="/v1/stt/conversations", tags=["conversations"])


AFTER = number("after", 0, MAX_NUMBER, 0, "`next` of the previous page.")
LIMIT = number("limit", 1, MAX_UTTERANCES, MAX_UTTERANCES, "Most utterances of a page.")
PAGE_PARAMETERS = Parameters(AFTER, LIMIT)


@router.get("/{conversation_id:path}", openapi_extra={"parameters": PAGE_PARAMETERS.openapi_query()})
@needs(Scope.READ)
async def read_conversation(request: Request, conversation_id: str) -> Response:
    """Return a page of a conversation's stored utterances, in the order in which they were spoken.

    ``after`` and ``limit`` select the page; ``next`` of a response is ``after`` of the next request, null on the last
    page.
    """
    check_conversation_id(conversation_id)
    given = PAGE_PARAMETERS.parse(query_of(request))
    after, limit = given[AFTER], given[LIMIT]
    store = context_of(request).store.of(principal_of(request).reach)
    found = await store.conversation(conversation_id, after=after, limit=limit)
    # Several gateways store at once: numbers tell what a reader already has, times tell the spoken order.
    in_order = sorted(
        found, key=lambda one: (one.utterance.spoken_ms, one.utterance.session_id, one.utterance.utterance)
    )
    return json_response(
        {
            "conversation_id": conversation_id,
            "utterances": [_view(stored) for stored in in_order],
            "next": found[-1].number if len(found) == limit else None,
        }
    )


def _view(stored: NumberedUtterance) -> dict[str, Any]:
    utterance = stored.utterance
    channel = {} if utterance.channel is UNSET else {"channel": utterance.channel}
    return {
        "number": stored.number,
        # As viewers see it: without the suffix that distinguishes sessions with the same id.
        "session_id": session_id_of(utterance.session_id),
        "utterance": utterance.utterance,
        "speaker": utterance.speaker or None,
        "text": utterance.text,
        "language": utterance.language,
        "spoken_ms": utterance.spoken_ms,
        "start_ms": utterance.start_ms,
        "end_ms": utterance.end_ms,
        **channel,
    }
