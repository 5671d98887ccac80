"""Clients of Wyoming, through a bridge as a user starts it, which finds the gateways by the load balancer."""

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

from chaos.dialects.base import final_of
from chaos.front import Link
from chaos.talk import Pace, Speak, Talk
from stt_shared.contracts.session import AUDIO_RATE_HZ

_FORMAT = {"rate": AUDIO_RATE_HZ, "width": 2, "channels": 1}


@contextlib.asynccontextmanager
async def bridge(port: int, links: Mapping[str, Link]) -> AsyncIterator[Speak]:
    """Start a bridge to the suite at a port, and yield what holds a talk with it.

    ``links``: of the load balancer there, by which a talk learns the name of its session.
    """
    address = f"http://127.0.0.1:{port}"
    command = ("-m", "stt_cli", "wyoming", "--port", "0", "--url", address, "--language", "en", "--max-clients", "500")
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        line = (await process.stderr.readline()).decode()
        found = re.search(r"tcp://127\.0\.0\.1:(\d+)", line)
        assert found is not None, line
        listening = int(found.group(1))

        async def speak(talk: Talk) -> None:
            await _speak(talk, listening, links)

        yield speak
    finally:
        process.kill()
        await process.wait()


async def _speak(talk: Talk, port: int, links: Mapping[str, Link]) -> None:
    try:
        async with asyncio.timeout(talk.timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                sending = asyncio.create_task(_send(writer, talk, links))
                await asyncio.sleep(talk.unread_s)
                await _listen(reader, talk)
                await sending
            finally:
                writer.close()
    except (OSError, EOFError, TimeoutError) as error:
        talk.cause = talk.cause or type(error).__name__
    talk.ended = True


async def _send(writer: asyncio.StreamWriter, talk: Talk, links: Mapping[str, Link]) -> None:
    # By this name, which the bridge hands on, its session is found among those of the suite.
    writer.write(_encoded("transcribe", {"transcript_names": [talk.id]}))
    writer.write(_encoded("audio-start", _FORMAT))
    naming = asyncio.create_task(_name(talk, links))
    pace = Pace(talk)
    for chunk in talk.chunks():
        await pace.next()
        writer.write(_encoded("audio-chunk", _FORMAT, chunk))
        await writer.drain()
        pace.sent()
    writer.write(_encoded("audio-stop", {}))
    naming.cancel()


async def _name(talk: Talk, links: Mapping[str, Link]) -> None:
    mark = re.compile(rf"[=,C]{re.escape(talk.id)}(?![0-9])".encode())
    while talk.session_id == talk.id:
        talk.session_id = next((id for id, link in links.items() if mark.search(link.target)), talk.id)
        await asyncio.sleep(0.02)


async def _listen(reader: asyncio.StreamReader, talk: Talk) -> None:
    number = 0
    while True:
        header = json.loads(await reader.readuntil(b"\n"))
        data = await reader.readexactly(header.get("data_length") or 0)
        body: dict[str, Any] = json.loads(data) if data else {}
        match header["type"]:
            case "transcript-chunk":
                number += 1
                talk.arrived(final_of(number, [{"word": word} for word in body["text"].split()]))
            case "error":
                talk.cause = f"error {body.get('code')}"
                return
            case "transcript-stop":
                talk.arrived({"type": "done"})
                return


def _encoded(kind: str, data: dict[str, Any], payload: bytes = b"") -> bytes:
    header = {"type": kind, "data": data, "payload_length": len(payload)}
    return json.dumps(header).encode() + b"\n" + payload
