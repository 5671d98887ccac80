"""The live client against a server that behaves, and servers that do not."""

import asyncio
import contextlib
import json
import sys
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve

import stt_client
from stt_cli.errors import CliError
from stt_cli.live.playback import live_events

pytestmark = pytest.mark.contract

Handler = Callable[[ServerConnection], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(handler: Handler, refusal: str | None = None) -> AsyncIterator[str]:
    def refuse(connection: ServerConnection, request: Request) -> Response | None:
        return None if refusal is None else connection.respond(HTTPStatus.UNPROCESSABLE_ENTITY, refusal)

    async with serve(handler, "127.0.0.1", 0, process_request=refuse) as listening:
        yield f"http://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}"


def pieces(*items: bytes | CliError, then_wait: bool = False) -> Callable[[], Awaitable[bytes | None]]:
    rest = list(items)

    async def next_piece() -> bytes | None:
        if not rest and then_wait:
            await asyncio.sleep(60)
        item = rest.pop(0) if rest else None
        if isinstance(item, CliError):
            raise item
        return item

    return next_piece


def opened(session_id: str = "s", **more: object) -> str:
    return json.dumps({"type": "ready", "event": 1, "session_id": session_id, "resume_token": "t", **more})


async def answer_stop_with_done(socket: ServerConnection) -> None:
    heard = 0
    await socket.send(opened(config={"language": "en"}))
    async for message in socket:
        if isinstance(message, bytes):
            heard += len(message) - 4
        elif json.loads(message) == {"type": "stop"}:
            await socket.send(json.dumps({"type": "final", "event": 2, "utterance": 1, "text": f"{heard} bytes"}))
            await socket.send(json.dumps({"type": "done", "event": 3, "path": socket.request.path}))


async def collect(
    url: str,
    source: Callable[[], Awaitable[bytes | None]],
    *,
    bytes_per_s: float | None = None,
    stop_after_s: float = 0,
    patience_s: float = 60,
) -> list[dict[str, object]]:
    stop = asyncio.Event()
    if stop_after_s:
        asyncio.get_running_loop().call_later(stop_after_s, stop.set)
    session = stt_client.connect(url, session_id="s", open_patience_s=0, patience_s=patience_s)
    return [event async for event in live_events(session, url, source, bytes_per_s=bytes_per_s, stop=stop)]


async def repeat_partials(socket: ServerConnection) -> None:
    await socket.send(opened(config={"language": "en"}))
    for number in range(2, 1000):
        await socket.send(json.dumps({"type": "partial", "event": number, "utterance": 1, "text": "word " * 200}))
        await asyncio.sleep(0.01)


async def test_a_reader_of_the_events_may_leave_early(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "talk.wav"), "wb") as audio:
        audio.setparams((1, 2, 16000, 0, "NONE", ""))
        audio.writeframes(bytes(32000 * 60))
    async with server(repeat_partials) as url:
        command = f"{sys.executable} -m stt_cli stream talk.wav --json --url {url} | head -n 2"
        process = await asyncio.create_subprocess_shell(
            command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(30):
            out, err = await process.communicate()
    assert len(out.splitlines()) == 2
    assert err == b""


async def test_everything_is_sent_and_the_words_come_up_to_done() -> None:
    async with server(answer_stop_with_done) as url:
        final, done = await collect(url, pieces(b"a" * 3200, b"b" * 100))
    assert final["text"] == "3300 bytes"
    assert str(done["path"]).startswith("/v1/stt/stream?sample_rate=16000&")


async def test_a_file_is_played_in_real_time() -> None:
    async with server(answer_stop_with_done) as url:
        began = time.monotonic()
        final, _ = await collect(url, pieces(*[b"a" * 3200] * 5), bytes_per_s=32_000)
    assert final["text"] == "16000 bytes"
    assert 0.45 < time.monotonic() - began < 3


async def test_stopping_early_still_brings_the_words_spoken_until_then() -> None:
    async with server(answer_stop_with_done) as url:
        final, done = await collect(url, pieces(b"a" * 640, then_wait=True), stop_after_s=0.2)
    assert (final["text"], done["type"]) == ("640 bytes", "done")


async def test_a_session_that_the_server_ends_is_told_with_its_code() -> None:
    async def hang_up(socket: ServerConnection) -> None:
        await socket.send(opened())
        await socket.close(4509, "taken over")

    async with server(hang_up) as url:
        with pytest.raises(CliError, match=r"^the server closed the connection with 4509 taken over \(superseded\)$"):
            await collect(url, pieces(b"a" * 640, then_wait=True))


async def test_a_suite_that_is_full_is_not_waited_for() -> None:
    async def refuse(socket: ServerConnection) -> None:
        error = {
            "type": "error",
            "event": 1,
            "code": "at_capacity",
            "message": "all places are taken",
            "retryable": True,
        }
        await socket.send(json.dumps(error))
        await socket.close(4429)

    async with server(refuse) as url:
        with pytest.raises(CliError, match=r"^all places are taken \(at_capacity\)$"):
            await collect(url, pieces(b"a" * 640, then_wait=True))


async def test_a_refused_stream_says_what_the_server_says() -> None:
    refusal = '{"error":{"code":"bad_config","message":"language: one of en, de"}}'
    async with server(answer_stop_with_done, refusal) as url:
        with pytest.raises(CliError, match=r"^language: one of en, de$"):
            await collect(url, pieces())


async def test_a_source_that_fails_ends_the_session_with_its_own_reason() -> None:
    async with server(answer_stop_with_done) as url:
        with pytest.raises(CliError, match=r"^cannot decode a\.mp3$"):
            await collect(url, pieces(b"a" * 640, CliError("cannot decode a.mp3")))


async def test_a_server_that_never_says_done_is_given_up() -> None:
    async def listen_only(socket: ServerConnection) -> None:
        await socket.send(opened())
        async for _ in socket:
            pass

    async with server(listen_only) as url:
        with pytest.raises(CliError, match=r"the last words did not come within 0\.2 s"):
            await collect(url, pieces(b"a" * 640), patience_s=0.2)


async def test_nobody_there() -> None:
    with pytest.raises(CliError, match=r"no answer from http://127\.0\.0\.1:1 \(Connection refused\)"):
        await collect("http://127.0.0.1:1", pieces())
