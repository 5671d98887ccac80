"""Arguments of `connect`, and which errors end a session."""

from typing import Any

import pytest

from stt_client import SessionError, connect, session
from stt_client.errors import ConnectionLost

pytestmark = pytest.mark.unit


def test_a_buffer_that_is_shorter_than_an_utterance_is_refused() -> None:
    with pytest.raises(ValueError, match="buffer_s=30 is not allowed; it must be at least 60"):
        connect("ws://a", buffer_s=30)


class Server:
    """What becomes of each attempt to connect: an error, or a connection that ends with one; None ends well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *attempts: tuple[Exception | None, Exception | None]) -> None:
        self.attempts = list(attempts)
        self._ends: Exception | None = None
        monkeypatch.setattr(session, "open_connection", self._open)
        monkeypatch.setattr(session, "Connection", lambda *_: self)
        monkeypatch.setattr(session.Backoff, "lost", lambda *_: 0.0)

    async def _open(self, *_: Any) -> tuple[None, dict[str, Any]]:
        refused, self._ends = self.attempts.pop(0)
        if refused is not None:
            raise refused
        return None, {"type": "ready", "session_id": "s", "resume_token": "t"}

    async def run(self) -> None:
        if self._ends is not None:
            raise self._ends


async def reconnects() -> int:
    """Run a session to its end; return how often it was connected again."""
    async with connect("ws://a") as live:
        async for _ in live:
            pass
    return live.reconnects


UNANSWERED = ConnectionLost("unreachable", "no answer within 10 s")
FULL = ConnectionLost("at_capacity", "come back")
CUT = ConnectionLost("unreachable", "the connection was cut")
TAKEN = SessionError("superseded", "another connection has it")


async def test_an_attempt_that_was_given_up_and_takes_the_session_late_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(monkeypatch, (UNANSWERED, None), (None, TAKEN), (None, CUT), (None, None))
    assert await reconnects() == 2
    assert server.attempts == []


@pytest.mark.parametrize(
    "attempts",
    [
        [(None, TAKEN)],
        [(FULL, None), (None, TAKEN)],
        [(None, CUT), (None, TAKEN)],
        [(UNANSWERED, None), (None, TAKEN), (None, TAKEN)],
        [(UNANSWERED, None), (SessionError("bad_config", "no"), None)],
    ],
)
async def test_another_error_of_its_kind_ends_the_session(
    monkeypatch: pytest.MonkeyPatch, attempts: list[tuple[Exception | None, Exception | None]]
) -> None:
    server = Server(monkeypatch, *attempts)
    with pytest.raises(SessionError):
        await reconnects()
    assert server.attempts == []
