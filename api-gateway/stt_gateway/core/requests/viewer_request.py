"""Request of a viewer who follows a conversation."""

from collections.abc import Iterable
from dataclasses import dataclass

from stt_gateway.core.requests.parameters import (
    MAX_LABEL_CHARS,
    NotAllowed,
    Parameter,
    Parameters,
    flag,
    number,
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


@dataclass(frozen=True)
class ViewerRequest:
    """Validated query of a viewer. ``after`` None: start ``since_ms`` ago."""

    since_ms: int
    after: Cursor | None
    unsettled: bool


def viewer_request(conversation_id: str, pairs: Iterable[tuple[str, str]]) -> ViewerRequest:
    """Parse a viewer's query, and check the id. Raises SttError bad_config."""
    if not 1 <= len(conversation_id) <= MAX_LABEL_CHARS:
        raise SttError("bad_config", f"a conversation's id has 1 to {MAX_LABEL_CHARS} characters")
    given = VIEWER_PARAMETERS.parse(pairs)
    return ViewerRequest(given[SINCE_MS], given[AFTER], given[UNSETTLED])
