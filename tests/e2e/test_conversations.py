"""Real speech in conversations: who follows has every utterance once, whoever is cut off or killed; what is kept."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import httpx2
import numpy as np
import psutil
import pytest
import websockets
from numpy.typing import NDArray
from support.launched_suite import Suite, running_suite
from support.live_client import chunked, talk, words
from support.recordings import BECKETT_TEXT

import stt_client

pytestmark = pytest.mark.e2e

CHUNK = 3200
HALF = round(4.8 * 32_000)
"""Where the recording has a pause, in bytes."""
TURNED_TEXT = "Try again. Fail again. Fail better. Ever tried. Ever failed. No matter."
SHOWN = ("session_id", "utterance", "speaker", "text", "language", "spoken_ms", "start_ms", "end_ms")
"""What viewers and the store both tell of an utterance."""

Event = dict[str, Any]


def carriers(suite: Suite) -> dict[int, int]:
    """The process id of the gateway that carries a client's connection, by the client's port."""
    own = urlsplit(suite.url).port
    return {
        connection.raddr.port: child.pid
        for child in gateways(suite)
        for connection in child.net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == own
    }


def gateways(suite: Suite) -> list[psutil.Process]:
    children = psutil.Process(suite.pid).children(recursive=True)
    return [child for child in children if "stt_gateway" in " ".join(child.cmdline())]


def place(said: Event) -> tuple[str, int]:
    return said["session_id"], said["utterance"]


def facts(said: Event) -> tuple[Any, ...]:
    return tuple(said[name] for name in SHOWN)


async def until(condition: Callable[[], Awaitable[Any]], timeout_s: float = 30.0) -> Any:
    async with asyncio.timeout(timeout_s):
        while not (found := await condition()):
            await asyncio.sleep(0.1)
    return found


class Viewer:
    """Follows a conversation and comes back with its cursor whenever it is cut off. ``at``: the only gateway that it
    takes for its first connection, by process id."""

    def __init__(self, suite: Suite, conversation: str, at: int | None = None) -> None:
        self._suite = suite
        self._url = suite.url.replace("http", "ws") + f"/v1/stt/conversations/{conversation}?unsettled=true"
        self._at = at
        self._cursor = ""
        self._socket: websockets.ClientConnection | None = None
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self.follows = asyncio.Event()
        self.utterances: list[Event] = []
        self.unsettled = 0
        self.carried_by: list[int | None] = []

    async def run(self) -> None:
        while True:
            await self._may_connect.wait()
            after = f"&after={self._cursor}" if self._cursor else ""
            try:
                async with websockets.connect(self._url + after, close_timeout=0.3) as socket:
                    carrier = carriers(self._suite).get(socket.local_address[1])
                    if self._at not in (None, carrier):
                        continue
                    self._at, self._socket = None, socket
                    self.carried_by.append(carrier)
                    async for raw in socket:
                        self._take(json.loads(raw))
            except (OSError, websockets.WebSocketException):
                await asyncio.sleep(0.2)

    async def cut_off(self, away_s: float) -> None:
        """As a network that goes and comes back."""
        assert self._socket is not None
        self._may_connect.clear()
        self._socket.transport.abort()
        await asyncio.sleep(away_s)
        self._may_connect.set()

    def _take(self, message: Event) -> None:
        match message["type"]:
            case "following":
                self.follows.set()
            case "utterance":
                self.utterances.append(message)
            case "unsettled":
                self.unsettled += 1
                return
            case other:
                raise AssertionError(other)
        self._cursor = message["cursor"]


class Speaker:
    """Speaks into a conversation in real time, through whatever happens."""

    def __init__(self, suite: Suite, conversation: str, name: str, audio: bytes) -> None:
        self._audio = audio
        self.finals: list[Event] = []
        self.session = stt_client.connect(
            suite.url.replace("http", "ws"),
            language="en",
            session_id=name.lower(),
            parameters={"conversation_id": conversation, "speaker": name},
        )

    async def run(self) -> None:
        sending = asyncio.create_task(self._send())
        async with asyncio.timeout(90):
            async for event in self.session:
                if event["type"] == "final":
                    self.finals.append(event)
        await sending

    async def _send(self) -> None:
        began = time.monotonic()
        for at in range(0, len(self._audio), CHUNK):
            await asyncio.sleep(began + at / 32_000 - time.monotonic())
            await self.session.send(self._audio[at : at + CHUNK])
        await self.session.stop()


async def whole(suite: Suite, conversation: str) -> list[Event]:
    """What the store has, read in small pages."""
    found: list[Event] = []
    async with httpx2.AsyncClient(base_url=suite.url) as client:
        after: int | None = 0
        while after is not None:
            answer = await client.get(f"/v1/stt/conversations/{conversation}", params={"after": after, "limit": 3})
            assert answer.status_code == 200, answer.text
            found += answer.json()["utterances"]
            after = answer.json()["next"]
    return found


async def heard_at_once(suite: Suite, conversation: str, since_ms: int, count: int) -> list[Event]:
    """The first ``count`` utterances that a viewer gets who comes now, and none that would come after them."""
    url = suite.url.replace("http", "ws") + f"/v1/stt/conversations/{conversation}?since_ms={since_ms}"
    heard: list[Event] = []
    async with websockets.connect(url) as socket:
        assert json.loads(await socket.recv())["type"] == "following"
        for _ in range(count):
            async with asyncio.timeout(10):
                heard.append(json.loads(await socket.recv()))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                heard.append(json.loads(await socket.recv()))
    return heard


async def test_every_viewer_ends_with_the_same_list(model: str, pcm16: bytes) -> None:
    """Two speak, three follow; one viewer is cut off and back, and the gateway of a speaker and a viewer is killed."""
    name = "three-viewers"
    recordings = {"Ann": pcm16 + pcm16, "Bob": (pcm16[HALF:] + pcm16[:HALF]) * 2}
    with running_suite(WHISPER_MODEL=model, GATEWAY_REPLICAS="2") as suite:
        ann, bob = (Speaker(suite, name, *recording) for recording in recordings.items())
        began_ms = time.time() * 1000
        async with ann.session:
            (doomed,) = set(carriers(suite).values())
            (other,) = {gateway.pid for gateway in gateways(suite)} - {doomed}
            async with bob.session, asyncio.TaskGroup() as group:
                viewers = [Viewer(suite, name, at) for at in (doomed, other, other)]
                following = [group.create_task(viewer.run()) for viewer in viewers]
                for viewer in viewers:
                    await viewer.follows.wait()
                speaking = [group.create_task(speaker.run()) for speaker in (ann, bob)]
                await asyncio.sleep(4.0)
                away = group.create_task(viewers[2].cut_off(5.0))
                await asyncio.sleep(3.2)
                os.kill(doomed, signal.SIGKILL)
                await away
                await asyncio.gather(*speaking)
                finals = {
                    (speaker.session.session_id, final["utterance"]): final
                    for speaker in (ann, bob)
                    for final in speaker.finals
                }

                async def all_have_all() -> bool:
                    return all(len(viewer.utterances) >= len(finals) for viewer in viewers)

                await until(all_have_all)

                async def is_kept() -> bool:
                    return len(await whole(suite, name)) >= len(finals)

                await until(is_kept)
                kept = await whole(suite, name)
                at_once = await heard_at_once(suite, name, 3_600_000, len(finals))
                # A moment at which nobody has just finished: what is asked for goes by the server's clock.
                ends = [said["spoken_ms"] + said["end_ms"] - said["start_ms"] for said in at_once]
                _, moment_ms = max((after - before, (after + before) // 2) for before, after in pairwise(sorted(ends)))
                recent = next(number for number, end in enumerate(ends) if end >= moment_ms)
                since_ms = round(time.time() * 1000) - moment_ms
                of_late = await heard_at_once(suite, name, since_ms, len(finals) - recent)
                nothing = await heard_at_once(suite, name, 0, 0)
                for task in following:
                    task.cancel()
        assert ann.session.reconnects == 1, "its gateway died"
        assert viewers[0].carried_by[0] == doomed
        assert len(viewers[0].carried_by) == 2
        assert len(viewers[1].carried_by) == 1
        assert len(viewers[2].carried_by) == 2
        assert doomed not in {viewer.carried_by[-1] for viewer in viewers}

    for speaker, expected in ((ann, BECKETT_TEXT), (bob, TURNED_TEXT)):
        # Where a busy machine makes the line stall, a word may come out differently.
        heard_words = words(" ".join(final["text"] for final in speaker.finals))
        assert SequenceMatcher(None, heard_words, words(expected) * 2, autojunk=False).ratio() > 0.85
    first = viewers[0].utterances
    assert sorted(place(said) for said in first) == sorted(finals), "none twice, none missing"
    for said in first:
        final = finals[place(said)]
        assert (said["text"], said["start_ms"], said["end_ms"]) == (final["text"], final["start_ms"], final["end_ms"])
        assert said["speaker"].lower() == said["session_id"]
        assert began_ms < said["spoken_ms"] < time.time() * 1000
    assert [said["seq"] for said in first] == list(range(1, len(finals) + 1))
    for heard in (viewers[1].utterances, viewers[2].utterances, at_once):
        assert heard == first, "the same list, in the same order"
    assert of_late == first[recent:]
    assert 0 < len(of_late) < len(first)
    assert nothing == []
    assert sorted(map(facts, kept)) == sorted(map(facts, first))
    assert all(viewer.unsettled for viewer in viewers)


async def test_a_kept_session_is_found_with_its_words(suite: Suite, pcm16: bytes) -> None:
    url = suite.stream_url + "?language=en&store=true&session_id=kept-session&speaker=Ann"
    heard = await talk(url, chunked(pcm16, CHUNK), every_s=0.05)
    finals = heard.of("final")
    assert words(heard.text) == words(BECKETT_TEXT)
    async with httpx2.AsyncClient(base_url=suite.url) as client:

        async def found() -> Any:
            query = {"query": "fail AGAIN", "kind": "live", "filename": "kept-ses"}
            listed = (await client.get("/v1/stt/transcripts", params=query)).json()["transcripts"]
            if not listed:
                return None
            one = (await client.get(f"/v1/stt/transcripts/{listed[0]['id']}")).json()
            return (listed[0], one) if len(one["segments"]) == len(finals) else None

        listed, kept = await until(found)
        snippet = listed["snippet"]
        assert [snippet["text"][start:end].lower() for start, end in snippet["hits"]] == ["fail again"]
        exports = {
            kind: await client.get(f"/v1/stt/transcripts/{listed['id']}/export.{kind}")
            for kind in ("json", "srt", "vtt", "txt")
        }
        assert exports["json"].json() == kept
        for segment, final in zip(kept["segments"], finals, strict=True):
            assert segment["text"] == final["text"]
            assert segment["confidence"] == final["confidence"]
            assert [(word["word"], round(word["start"] * 1000), word["confidence"]) for word in segment["words"]] == [
                (word["word"], word["start_ms"], word["confidence"]) for word in final["words"]
            ]
        assert exports["srt"].text.startswith("1\n00:00:0")
        assert exports["vtt"].text.startswith("WEBVTT\n")
        for kind in ("srt", "vtt"):
            lines = [line for line in exports[kind].text.splitlines() if line[:1].isalpha() and line != "WEBVTT"]
            assert words(" ".join(lines)) == words(BECKETT_TEXT)
        assert words(exports["txt"].text) == words(BECKETT_TEXT)
        assert (await client.delete(f"/v1/stt/transcripts/{listed['id']}")).status_code == 204
        assert (await client.get("/v1/stt/transcripts", params={"filename": "kept-ses"})).json()["transcripts"] == []


async def test_a_session_that_does_not_ask_is_not_kept(suite: Suite, pcm16: bytes) -> None:
    """The negative twin."""
    heard = await talk(suite.stream_url + "?language=en&session_id=unkept", chunked(pcm16, CHUNK), every_s=0.03)
    assert heard.of("final")
    await asyncio.sleep(3.0)
    async with httpx2.AsyncClient(base_url=suite.url) as client:
        listed = (await client.get("/v1/stt/transcripts", params={"filename": "unkept"})).json()["transcripts"]
    assert listed == []


async def test_legacy_clients_are_served(suite: Suite, beckett: NDArray[np.float32]) -> None:
    """Samples at 44.1 kHz without a word of protocol, a list at once and every ten seconds, and a sign of health."""
    at = np.arange(0, len(beckett), 16_000 / 44_100)
    audio = (np.interp(at, np.arange(len(beckett)), beckett) * 32767).astype("<i2").tobytes()
    base = suite.url.replace("http", "ws")
    async with httpx2.AsyncClient(base_url=suite.url) as client:
        assert (await client.get("/api/stt/healthcheck")).text == "Yes, I'm ok"
    async with websockets.connect(base + "/api/stt/connect") as viewer:
        before = json.loads(await viewer.recv())
        assert not [said for said in before if said["conversation_id"] != "default"]
        # They only send and listen: silence ends the last utterance.
        heard = await talk(
            base + "/api/stt/transcribe?sampleRate=44100",
            [*chunked(audio, 17_640), *[bytes(17_640)] * 8],
            every_s=0.1,
        )
        assert words(heard.text) == words(BECKETT_TEXT)

        async def told_again() -> bool:
            said = json.loads(await viewer.recv())[len(before) :]
            return words(" ".join(one["text"] for one in said)) == words(BECKETT_TEXT)

        await until(told_again)
    async with websockets.connect(base + "/api/stt/connect") as late:
        said = json.loads(await late.recv())[len(before) :]
    assert [one["text"] for one in said] == [final["text"] for final in heard.of("final")]
    assert [one["text"] for one in (await whole(suite, "default"))[-len(said) :]] == [one["text"] for one in said]
