"""`stt bench` against a server that answers as the suite does, and ones that refuse or break off."""

import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from stt_cli.bench.manifest import SpokenWord, Utterance
from stt_cli.bench.player import Pace, Session, play
from stt_cli.bench.run import Plan, Progress, run_bench

pytestmark = pytest.mark.contract

Handler = Callable[[ServerConnection], Awaitable[None]]
SPEECH = bytes(range(256)) * 25  # 0.2 s
UTTERANCE = Utterance(Path("a.wav"), "one two", (SpokenWord("one", 0.0, 0.1), SpokenWord("two", 0.1, 0.2)), SPEECH)


@contextlib.asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}"


class Listener:
    """Keeps what it is sent; says "one" after the first half of the speech and the final at `stop`."""

    def __init__(self) -> None:
        self.heard = b""
        self.chunks: list[int] = []
        self.queries: list[str] = []

    async def __call__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.queries.append(socket.request.path)
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "audio":
                chunk = base64.b64decode(message["chunk"])
                self.heard += chunk
                self.chunks.append(len(chunk))
                if len(self.heard) == 3840:
                    await say(socket, type="speech_started", start_ms=50)
                    await say(socket, type="partial", utterance=1, text="one", stable="one")
            else:
                await say(socket, type="final", utterance=1, text="One two.", lag_ms=7)
                await say(socket, type="done")


async def say(socket: ServerConnection, **event: Any) -> None:
    await socket.send(json.dumps(event))


async def played(url: str, **pace: Any) -> Session:
    asked = {"gap_s": 0.1, "chunk_ms": 40, "drain_s": 5.0, **pace}
    return await play([UTTERANCE], Pace(url, {"language": "en"}, **asked), 0, time.monotonic(), str.lower)


async def test_a_session_is_played_at_its_pace_and_what_came_back_is_kept() -> None:
    listener = Listener()
    async with server(listener) as url:
        session = await played(url)
    assert listener.queries == ["/v1/stt/stream?language=en"]
    assert listener.heard[:6400] == SPEECH
    # 0.3 s in chunks of 40 ms: speech, and a pause that is no digital silence.
    assert (len(listener.heard), set(listener.chunks[:-1])) == (9600, {1280})
    assert len(set(listener.heard[6400:])) > 1
    assert [picture.text for picture in session.screen.pictures] == ["one", "One two."]
    began_s = session.played[0].start_s
    assert 0.1 <= session.screen.pictures[0].at_s - began_s < 0.3
    assert session.waits_s == [pytest.approx(session.screen.pictures[0].at_s - began_s - 0.05, abs=0.02)]
    assert session.stopped_s is not None
    assert 0.3 <= session.stopped_s - began_s < 0.6
    assert (session.errors, session.refused, session.final_lags_ms) == ([], "", [7])
    assert session.lag_s is not None


async def test_a_refusal_is_told_from_an_error() -> None:
    async def refuse(socket: ServerConnection) -> None:
        await say(socket, type="error", code="at_capacity", message="full", retryable=True)
        await socket.close(4429)

    async def fail(socket: ServerConnection) -> None:
        await socket.recv()
        await say(socket, type="error", code="internal", message="broken", retryable=True)
        await socket.close(4432)

    async with server(refuse) as url:
        session = await played(url)
    assert (session.refused, session.errors) == ("at_capacity", [])
    async with server(fail) as url:
        session = await played(url)
    assert (session.refused, session.errors) == ("", ["internal: broken"])


async def test_a_session_that_breaks_off_hangs_or_never_begins_is_an_error() -> None:
    async def break_off(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(1011)

    async def hang(socket: ServerConnection) -> None:
        async for _ in socket:
            pass

    async with server(break_off) as url:
        (error,) = (await played(url)).errors
    assert "1011" in error
    async with server(hang) as url:
        session = await played(url, drain_s=0.1)
    assert session.errors == ["no `done` within 0.1 s"]
    (error,) = (await played("http://127.0.0.1:1")).errors
    assert error.startswith("no connection")


async def test_many_sessions_make_one_set_of_figures_and_progress_is_told() -> None:
    progress: list[tuple[float, float]] = []
    handlers: list[Listener] = []

    async def handle(socket: ServerConnection) -> None:
        handlers.append(Listener())
        await handlers[-1](socket)

    async with server(handle) as url:
        plan = Plan(url, sessions=2, seconds=0.2, gap_s=0.1, language="de")
        figures = await run_bench(
            plan, [UTTERANCE], Progress(lambda done_s, total_s: progress.append((done_s, total_s)))
        )
    assert len(handlers) == 2
    assert (figures["errors"], figures["refused"], figures["wer_live_percent"]) == (0, 0, 0.0)
    assert figures["word_shown_s"]["n"] == 4
    assert (figures["stable_violations"], figures["stable_words"], figures["stable_corrected_percent"]) == (0, 2, 0.0)
    assert progress[-1] == (pytest.approx(0.67), pytest.approx(0.67))
