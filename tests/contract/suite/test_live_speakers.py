"""`speakers` of a live session through all three stages: told in finals, or refused where there is no model."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import numpy as np
import pytest
import websockets
from redis.asyncio import Redis
from support.gateway_harness import Gateway, line, tell_status, until
from support.job_harness import LoudnessVoices, no_speaker_model
from support.stub_suite import stub_suite

from stt_gateway.store.engine import database_url
from stt_gateway.store.voices import VoiceStore
from stt_shared.contracts.events import RevisedUtterance
from stt_shared.contracts.speakers import KnownVoice
from stt_shared.streams.keys import known_voices
from stt_transcriber.core.speakers.session import SessionSpeakers
from stt_transcriber.live import known_speakers
from stt_transcriber.speakers.base import SpeakerModel

pytestmark = pytest.mark.contract

LOUD, SOFT = (np.full(32_000, level, np.int16).tobytes() for level in (12_000, 8_000))
QUIET = bytes(32_000)


async def said(
    gateway: Gateway, query: str, spoken: Sequence[bytes] = (LOUD, QUIET, SOFT, QUIET, LOUD, QUIET)
) -> list[dict[str, Any]]:
    """Events of a session in which two people speak in turn."""
    events: list[dict[str, Any]] = []
    async with websockets.connect(gateway.stream(query)) as client:
        with contextlib.suppress(websockets.ConnectionClosedError):
            for audio in spoken:
                for at in range(0, len(audio), 3200):
                    await client.send(audio[at : at + 3200])
                    await asyncio.sleep(0.005)
            await client.send(json.dumps({"type": "stop"}))
            async for message in client:
                events.append(json.loads(message))
    return events


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


@pytest.mark.parametrize(
    ("model", "told", "warned"),
    [
        (LoudnessVoices, ["Speaker 1", "Speaker 2", "Speaker 1"], []),
        (no_speaker_model, [None, None, None], ["no_speakers"]),
    ],
)
async def test_each_final_has_its_speaker_and_the_text_is_the_same(
    redis_client: Redis,
    redis_url: str,
    tmp_path: Path,
    model: Callable[[], SpeakerModel],
    told: list[str | None],
    warned: list[str],
) -> None:
    async with stub_suite(redis_client, redis_url, tmp_path, model) as gateway:
        plain = await said(gateway, "endpointing_ms=300")
        events = await said(gateway, "endpointing_ms=300&speakers=auto")
    assert events[0]["config"]["speakers"] == {"least": 1, "most": 20}
    finals = of(events, "final")
    assert [final["text"] for final in finals] == [final["text"] for final in of(plain, "final")]
    assert [final["speaker"] for final in finals] == told
    assert all(0 <= final["speaker_confidence"] <= 1 for final in finals)
    assert [event["code"] for event in of(events, "warning")] == warned
    assert not any("speaker" in final for final in of(plain, "final"))
    assert plain[0]["config"]["speakers"] is None


async def stored_transcript(http: httpx2.AsyncClient, *, segments: int) -> dict[str, Any]:
    """The only stored transcript, as soon as it has so many segments."""

    async def whole() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one in (await http.get("/v1/stt/transcripts")).json()["transcripts"]:
            found = (await http.get(f"/v1/stt/transcripts/{one['id']}")).json()
        return found if len(found.get("segments", [])) == segments else {}

    stored: dict[str, Any] = await until(whole, timeout_s=60)  # the store rests for 20 times as long as it wrote
    return stored


def on_two(one: bytes, other: bytes) -> bytes:
    return np.stack([np.frombuffer(one, np.int16), np.frombuffer(other, np.int16)], axis=1).tobytes()


async def test_each_channel_has_speakers_of_its_own(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    apart = "endpointing_ms=300&channels=2&channel_mode=separate&conversation_id=call&store=true&session_id=call"
    nobody = bytes(len(LOUD))
    pause = on_two(QUIET, QUIET)
    spoken = [on_two(LOUD, nobody), pause, on_two(nobody, LOUD), pause, on_two(LOUD, SOFT), pause]
    async with stub_suite(redis_client, redis_url, tmp_path, LoudnessVoices) as gateway:
        events = await said(gateway, f"{apart}&speakers=auto", spoken)
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            stored = await stored_transcript(http, segments=4)
            exported = (await http.get(f"/v1/stt/transcripts/{stored['id']}/export.vtt")).text
        async with line(gateway.url.replace("http", "ws") + "/v1/stt/conversations/call") as viewer:
            shown = [await viewer.hear("utterance") for _ in range(4)]
    told = [(final["channel"], final["speaker"]) for final in of(events, "final")]
    assert told == [(0, "Speaker 1"), (1, "Speaker 2"), (0, "Speaker 1"), (1, "Speaker 3")]
    assert [(one["channel"], one["speaker"]) for one in shown] == told
    assert [(one["channel"], one["speaker"]) for one in stored["segments"]] == told
    assert "<v Speaker 3>" in exported


async def test_who_is_known_has_a_name_everywhere_and_only_to_their_own_tenant(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    kept = "endpointing_ms=300&known_speakers=true&conversation_id=room&store=true"
    async with stub_suite(redis_client, redis_url, tmp_path, LoudnessVoices) as gateway:
        voices = VoiceStore(database_url(None, gateway.settings.data_dir))
        await voices.add("local", "Anna", bytes([127, 0]), 1000)
        await voices.add("other", "Bob", bytes([0, 127]), 1000)
        await voices.close()
        events = await said(gateway, f"{kept}&session_id=s1")
        async with line(gateway.url.replace("http", "ws") + "/v1/stt/conversations/room") as viewer:
            shown = [await viewer.hear("utterance") for _ in range(3)]
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            stored = await stored_transcript(http, segments=3)
            exported = (await http.get(f"/v1/stt/transcripts/{stored['id']}/export.txt")).text
    assert events[0]["config"]["known_speakers"] is True
    assert events[0]["config"]["speakers"] == {"least": 1, "most": 20}
    told = [final["speaker"] for final in of(events, "final")]
    assert told == ["Anna", "Speaker 2", "Anna"]
    assert [one["speaker"] for one in shown] == told
    assert [one["id"] for one in stored["speakers"]] == ["Anna", "Speaker 2"]
    assert exported.startswith("Anna: ")
    names = await redis_client.get(known_voices("local"))
    assert [one.name for one in msgspec.json.decode(names, type=list[KnownVoice])] == ["Anna"]


async def test_a_running_session_forgets_who_is_deleted(
    redis_client: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_speakers, "FORGETS_S", 0.05)
    given: list[list[str]] = []
    know = SessionSpeakers.know

    def noted(speakers: SessionSpeakers, voices: Sequence[KnownVoice]) -> None:
        given.append([voice.name for voice in voices])
        know(speakers, voices)

    monkeypatch.setattr(SessionSpeakers, "know", noted)
    async with stub_suite(redis_client, redis_url, tmp_path, LoudnessVoices) as gateway:
        voices = VoiceStore(database_url(None, gateway.settings.data_dir))
        anna = await voices.add("local", "Anna", bytes([127, 0]), 1000)
        await voices.close()
        async with line(gateway.stream("known_speakers=true")) as client:
            await client.hear("ready")
            await client.send(bytes(3200))
            await until(lambda: given)
            async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
                assert (await http.delete(f"/v1/stt/speakers/{anna.id}")).status_code == 204
            await until(lambda: given[-1] == [])
    assert given[0] == ["Anna"]


async def test_revisions_reach_viewers_and_what_is_stored_of_the_conversation(
    redis_client: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revisions = iter([[], [RevisedUtterance(1, "Speaker 7")]])
    monkeypatch.setattr(SessionSpeakers, "revise", lambda _: next(revisions, []))
    async with stub_suite(redis_client, redis_url, tmp_path, LoudnessVoices) as gateway:
        await said(gateway, "endpointing_ms=300&speakers=auto&conversation_id=room")
        at = "/v1/stt/conversations/room"
        async with line(gateway.url.replace("http", "ws") + at) as viewer:
            told = [await viewer.hear("utterance") for _ in range(3)]
            (revised,) = viewer.of("speakers_revised")
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:

            async def is_revised() -> bool:
                stored = (await http.get(at)).json()["utterances"]
                return {one["utterance"]: one["speaker"] for one in stored} == {
                    1: "Speaker 7", 2: "Speaker 2", 3: "Speaker 1"
                }  # fmt: skip

            await until(is_revised)
            assert (await http.get("/v1/stt/transcripts")).json()["transcripts"] == []
    assert revised["utterances"] == [{"utterance": 1, "speaker": "Speaker 7"}]
    assert {"as_of", "instance", "epoch"}.isdisjoint(revised)
    assert [one["speaker"] for one in told] == ["Speaker 1", "Speaker 2", "Speaker 1"]
    assert revised["cursor"].endswith(f"-{revised['seq']}")


async def test_where_no_transcriber_has_the_model_speakers_are_refused(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    async with stub_suite(redis_client, redis_url, tmp_path) as gateway:
        await tell_status(redis_client, "transcriber", capacity=4, detail={"speakers": False})
        async with websockets.connect(gateway.stream("speakers=2-4")) as client:
            error = json.loads(await client.recv())
    assert error["code"] == "bad_config"
    assert "stt models pull diarization" in error["message"]
