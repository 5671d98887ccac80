"""Parameters of a viewer of a conversation."""

from collections.abc import Iterable
from dataclasses import dataclass

from stt_gateway.core.requests.parameters import MAX_LABEL_CHARS, flag, number, once, refuse
from stt_shared.contracts.errors import SttError

VIEWER_PARAMETERS = ("since_ms", "after", "unsettled")
DEFAULT_SINCE_MS = 120_000
MAX_SINCE_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Cursor:
    """Last utterance that a viewer has: its ``seq``, and the epoch of the conversation in which that counts."""

    epoch: str
    seq: int


@dataclass(frozen=True)
class ViewerRequest:
    """Validated query of a viewer. ``after`` None: start ``since_ms`` ago."""

    since_ms: int
    after: Cursor | None
    unsettled: bool


def viewer_request(conversation_id: str, pairs: Iterable[tuple[str, str]]) -> ViewerRequest:
    """Parse a viewer's query. Raises SttError bad_config."""
    if not 1 <= len(conversation_id) <= MAX_LABEL_CHARS:
        raise SttError("bad_config", f"a conversation's id has 1 to {MAX_LABEL_CHARS} characters")
    given = once(pairs, VIEWER_PARAMETERS)
    return ViewerRequest(
        number(given, "since_ms", 0, MAX_SINCE_MS, DEFAULT_SINCE_MS),
        _cursor(given["after"]) if "after" in given else None,
        flag(given, "unsettled", False),
    )


def page_request(pairs: Iterable[tuple[str, str]], most: int) -> tuple[int, int]:
    """Parse ``after`` and ``limit`` of a page of utterances. Raises SttError bad_config."""
    given = once(pairs, ("after", "limit"))
    return number(given, "after", 0, 999_999_999, 0), number(given, "limit", 1, most, most)


def _cursor(value: str) -> Cursor:
    epoch, dash, seq = value.rpartition("-")
    if not (dash and seq.isascii() and seq.isdigit() and len(seq) <= 15 and (epoch.isalnum() or not epoch)):
        raise refuse("after", value, "a cursor that this server has sent")
    return Cursor(epoch, int(seq))
