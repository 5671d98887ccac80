"""Request of a viewer who follows a conversation."""

from collections.abc import Iterable
from dataclasses import dataclass

from stt_gateway.core.requests.parameters import (
    NotAllowed,
    Parameter,
    Parameters,
    check_id,
    flag,
    number,
    quoted,
)
from stt_shared.contracts.errors import SttError

_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Cursor:
    """Last utterance that a viewer has: its ``seq``, and the epoch of the conversation in which that counts."""

    epoch: str
    seq: int


def _parse_cursor(value: str) -> Cursor | None:
    epoch, dash, seq = value.rpartition("-")
    if not (dash and seq.isascii() and seq.isdigit() and len(seq) <= 15 and (epoch.isalnum() or not epoch)):
        raise NotAllowed("a cursor that this server has sent")
    return Cursor(epoch, int(seq))


SINCE_MS = number("since_ms", 0, _DAY_MS, 120_000, "How far back to begin.")
AFTER = Parameter("after", None, _parse_cursor, {"type": "string"}, "Continue after this `cursor` instead.")
UNSETTLED = flag("unsettled", False, "Whether to send text that is not settled yet, too.")
VIEWER_PARAMETERS = Parameters(SINCE_MS, AFTER, UNSETTLED)


def check_conversation_id(conversation_id: str) -> None:
    """Raise SttError bad_config for an id that no conversation can have."""
    try:
        if not conversation_id:
            raise NotAllowed("at least one character long")
        check_id(conversation_id)
    except NotAllowed as error:
        raise SttError(
            "bad_config", f"conversation {quoted(conversation_id)} is not allowed; its id must be {error}"
        ) from None


@dataclass(frozen=True)
class ViewerRequest:
    """Validated query of a viewer. ``after`` None: start ``since_ms`` ago."""

    since_ms: int
    after: Cursor | None
    unsettled: bool


def viewer_request(conversation_id: str, pairs: Iterable[tuple[str, str]]) -> ViewerRequest:
    """Parse a viewer's query, and check the id. Raises SttError bad_config."""
    check_conversation_id(conversation_id)
    given = VIEWER_PARAMETERS.parse(pairs)
    return ViewerRequest(given[SINCE_MS], given[AFTER], given[UNSETTLED])
