"""OpenAI's Realtime API for transcription, spoken to a gateway with stand-ins behind it."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from redis.asyncio import Redis
from support.gateway_harness import STAMP, Gateway, Hand, Line, Workers, line, running_gateway, until

from stt_shared.contracts.events import Final, Finalized, Partial, SpeechEnded, SpeechStarted, Word
from stt_shared.contracts.frames import Frame, FrameKind

pytestmark = pytest.mark.contract

PCM_MS = 48
"""Bytes of a millisecond."""
TRANSCRIPTION = "conversation.item.input_audio_transcription"


def address(gateway: Gateway, query: str = "intent=transcription") -> str:
    return gateway.url.replace("http", "ws") + f"/v1/realtime?{query}"


def append(ms: int, letter: bytes = b"\x01") -> str:
    audio = base64.b64encode(letter * (ms * PCM_MS)).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


def update(**audio_input: Any) -> str:
    return json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": {"input": audio_input}}})


COMMIT = '{"type":"input_audio_buffer.commit","event_id":"mine"}'
CLEAR = '{"type":"input_audio_buffer.clear"}'


class Listener:
    """What a transcriber does that hears one utterance in all audio between two ends."""

    def __init__(self) -> None:
        self.heard_ms = 0
        self.begun_ms: int | None = None
        self.finals = 0

    async def __call__(self, hand: Hand, frame: Frame) -> None:
        match frame.kind:
            case FrameKind.AUDIO:
                if self.begun_ms is None:
                    self.begun_ms = self.heard_ms
                    await hand.say(SpeechStarted(session_id=hand.id, start_ms=self.heard_ms, timestamp=STAMP))
                self.heard_ms += len(frame.data) // PCM_MS
            case FrameKind.FINALIZE:
                await self.end(hand)
                await hand.say(Finalized(session_id=hand.id, at_ms=self.heard_ms, timestamp=STAMP))
            case FrameKind.STOP:
                await self.end(hand)
        if frame.kind is FrameKind.STOP:
            await hand.done()

    async def end(self, hand: Hand) -> None:
        begun, self.begun_ms = self.begun_ms, None
        if begun is None:
            return
        await hand.say(SpeechEnded(session_id=hand.id, end_ms=self.heard_ms, timestamp=STAMP))
        self.finals += 1
        hand.finals.append(f"words {self.finals}")
        words = [Word("words", begun, self.heard_ms, 0.5), Word(str(self.finals), begun, self.heard_ms, 0.25)]
        await hand.say(
            Final(
                session_id=hand.id, text=hand.finals[-1], confidence=0.9, timestamp=STAMP, utterance=self.finals,
                start_ms=begun, end_ms=self.heard_ms, language="en", words=words, committed_ms=self.heard_ms,
            )
        )  # fmt: skip

    async def draft(self, hand: Hand, stable: str, unstable: str) -> None:
        await hand.say(
            Partial(
                session_id=hand.id, text=f"{stable} {unstable}", new_text=unstable, stable=stable, unstable=unstable,
                confidence=0.5, timestamp=STAMP, utterance=self.finals + 1, start_ms=self.begun_ms or 0,
                end_ms=self.heard_ms, lag_ms=0,
            )
        )  # fmt: skip


@pytest.fixture
def listener(workers: Workers) -> Listener:
    workers.script = listener = Listener()
    return listener


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers) -> AsyncIterator[Gateway]:
    # Nobody is quiet here, however slow the machine is.
    async with running_gateway(
        redis_client, redis_url, tmp_path, vad_silence_threshold_ms=5000, max_message_bytes=200_000
    ) as gateway:
        yield gateway


def kinds(client: Line) -> list[str]:
    short = [
        event["type"].replace(f"{TRANSCRIPTION}.", "").replace("input_audio_buffer.", "") for event in client.events
    ]
    return [kind.replace("conversation.", "") for kind in short]


async def test_speech_is_told_as_it_becomes_stable_and_completed_after_a_commit(
    gateway: Gateway, workers: Workers, listener: Listener
) -> None:
    async with line(address(gateway)) as client:
        created = (await client.hear("session.created"))["session"]
        assert created["type"] == "transcription"
        assert created["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500
        detection = {"type": "server_vad", "silence_duration_ms": 5000}
        spoken = {"model": "gpt-4o-transcribe", "language": "de-AT", "prompt": "Beckett", "keywords": ["Krapp"]}
        wanted = update(transcription=spoken, turn_detection=detection, format={"type": "audio/pcm", "rate": 24000})
        await client.send(
            wanted.replace(
                '"session": {',
                '"include":["x"], "session": {"tracing":"auto","include":["item.input_audio_transcription.logprobs"],',
            )
        )
        assert (await client.hear("session.updated"))["session"]["audio"]["input"]["transcription"][
            "language"
        ] == "de-AT"
        await client.send(append(400))
        hand = await workers.hand()
        started = await client.hear("input_audio_buffer.speech_started")
        await until(lambda: listener.heard_ms == 400)
        await listener.draft(hand, "words", "wo")
        assert (await client.hear(f"{TRANSCRIPTION}.delta"))["delta"] == "words"
        await client.send(append(100), COMMIT)
        completed = await client.hear(f"{TRANSCRIPTION}.completed")
        # An end as OpenAI's clients make it: what was committed has come, and nothing is waited for.
    assert kinds(client) == [
        "session.created", "session.updated", "speech_started", "delta", "speech_stopped", "committed", "item.added",
        "item.done", "delta", "completed",
    ]  # fmt: skip
    assert (completed["transcript"], completed["item_id"]) == ("words 1", started["item_id"])
    assert completed["usage"] == {"type": "duration", "seconds": 0.5}
    assert [one["token"] for one in completed["logprobs"]] == ["words", " 1"]
    assert len({event["event_id"] for event in client.events}) == len(client.events)
    config = hand.config
    assert (config["sample_rate"], config["language"], config["prompt"], config["keyterms"]) == (
        24000, "de", "Beckett", ["Krapp"],
    )  # fmt: skip
    assert config["endpointing_ms"] == 5000
    assert hand.audio == b"\x01" * (500 * PCM_MS)


async def test_without_detection_a_turn_ends_at_commit_alone(
    gateway: Gateway, workers: Workers, listener: Listener
) -> None:
    async with line(address(gateway)) as client:
        await client.send(update(turn_detection=None), append(200))
        hand = await workers.hand()
        await until(lambda: listener.heard_ms == 200)
        await listener.end(hand)
        await client.hear(f"{TRANSCRIPTION}.delta")
        await client.send(append(200), COMMIT, append(100), CLEAR, append(200), COMMIT)
        await client.hear(f"{TRANSCRIPTION}.completed")
        await client.hear(f"{TRANSCRIPTION}.completed")
    assert [event["transcript"] for event in client.of(f"{TRANSCRIPTION}.completed")] == ["words 1 words 2", "words 4"]
    one, two = client.of("input_audio_buffer.committed")
    assert (one["previous_item_id"], two["previous_item_id"]) == (None, one["item_id"])
    assert "speech_started" not in kinds(client)
    assert kinds(client).count("cleared") == 1


async def test_the_beta_has_its_own_names(gateway: Gateway, workers: Workers, listener: Listener) -> None:
    session = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "fr"},
        "turn_detection": {"type": "semantic_vad", "eagerness": "low"},
        "input_audio_noise_reduction": {"type": "far_field"},
    }
    async with line(address(gateway), additional_headers={"OpenAI-Beta": "realtime=v1"}) as client:
        assert (await client.hear("transcription_session.created"))["session"]["input_audio_format"] == "pcm16"
        await client.send(json.dumps({"type": "transcription_session.update", "session": session}))
        assert (await client.hear("transcription_session.updated"))["session"]["input_audio_format"] == "g711_ulaw"
        await client.send(append(200), COMMIT)
        item = (await client.hear("conversation.item.created"))["item"]
        assert (await client.hear(f"{TRANSCRIPTION}.completed"))["item_id"] == item["id"]
    config = (await workers.hand()).config
    assert (config["encoding"], config["sample_rate"], config["language"]) == ("mulaw", 8000, "fr")
    assert (config["endpointing"], config["endpointing_ms"], config["endpointing_max_ms"]) == ("auto", 800, 4000)


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("not json", "invalid_json", None),
        ("[" * 5000, "invalid_json", None),
        (b"\x00\x01", "invalid_event", None),
        ("[]", "invalid_event", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type":"response.create"}', "invalid_value", "type"),
        ('{"type":"input_audio_buffer.append","event_id":"mine"}', "missing_required_parameter", None),
        ('{"type":"input_audio_buffer.append","audio":"%"}', "invalid_value", "audio"),
        ('{"type":"session.update","session":{"type":"realtime"}}', "invalid_value", "session.type"),
        (update(format={"type": "audio/opus"}), "invalid_value", "session.audio.input.format.type"),
        (update(format={"type": "audio/pcm", "rate": 1}), "invalid_value", "session.audio.input.format.rate"),
        (update(transcription={"language": "klingon"}), "invalid_value", "session.audio.input.transcription.language"),
        (COMMIT, "input_audio_buffer_commit_empty", None),
        ('{"type":"input_audio_buffer.append","audio":"' + "A" * 300_000 + '"}', "string_above_max_length", None),
    ],
)
async def test_a_message_that_is_not_understood_is_told_and_the_session_goes_on(
    gateway: Gateway, listener: Listener, message: str | bytes, code: str, param: str | None
) -> None:
    async with line(address(gateway)) as client:
        await client.send(message)
        event = await client.hear("error")
        assert (event["error"]["type"], event["error"]["code"], event["error"]["param"]) == (
            "invalid_request_error", code, param,
        )  # fmt: skip
        assert event["error"]["event_id"] == ("mine" if b"mine" in str(message).encode() else None)
        await client.send(append(200), message, COMMIT)
        await client.hear("error")
        assert (await client.hear(f"{TRANSCRIPTION}.completed"))["transcript"] == "words 1"


async def test_what_cannot_change_any_more_is_told(gateway: Gateway, workers: Workers, listener: Listener) -> None:
    async with line(address(gateway)) as client:
        await client.send(append(200))
        hand = await workers.hand()
        await client.send(update(transcription={"language": "fr"}))
        assert (await client.hear("error"))["error"]["code"] == "session_update_not_allowed"
        await client.send(update(transcription={"keywords": ["Krapp", "Winnie"]}, turn_detection=None))
        assert (await client.hear("session.updated"))["session"]["audio"]["input"]["turn_detection"] is None
        await client.send(COMMIT)
        assert (await client.hear(f"{TRANSCRIPTION}.completed"))["transcript"] == "words 1"
    changes = [frame.meta.vocabulary for frame in hand.frames if frame.kind is FrameKind.CONFIGURE]
    assert [change.keyterms if change else None for change in changes] == [("Krapp", "Winnie")]


async def test_parameters_of_the_native_api_stand_in_the_query(
    gateway: Gateway, workers: Workers, listener: Listener
) -> None:
    query = "model=gpt-4o-transcribe-diarize&redact=card&store=true&whatever=1"
    async with line(address(gateway, query)) as client:
        await client.send(append(100))
        config = (await workers.hand()).config
    assert (config["redact"], config["store"]) == (["card"], True)
    assert "speakers" in config
    async with line(address(gateway, "redact=everything")) as client:
        assert await client.rest() == 1008
    assert (client.events[-1]["type"], client.events[-1]["error"]["code"]) == ("error", "bad_config")


async def test_an_error_of_the_session_ends_it_in_openais_form(
    gateway: Gateway, workers: Workers, listener: Listener
) -> None:
    async with line(address(gateway)) as client:
        await client.send(append(100))
        await (await workers.hand()).error("bad_audio", "no audio in it")
        assert await client.rest() == 1008
    error = client.events[-1]
    assert (error["type"], error["error"]["code"], error["error"]["message"]) == (
        "error",
        "bad_audio",
        "no audio in it",
    )


async def test_a_turn_a_second_is_read_as_fast_as_it_comes(gateway: Gateway, listener: Listener) -> None:
    """Each has two control messages; only one of them counts."""
    async with line(address(gateway)) as client:
        await client.send(update(turn_detection=None))
        for _ in range(10):
            await client.send(append(100), COMMIT)
        for _ in range(10):
            await client.hear(f"{TRANSCRIPTION}.completed", timeout_s=8)


@pytest.mark.parametrize(("idle_s", "told"), [(60.0, f"{TRANSCRIPTION}.completed"), (1.0, "error")])
async def test_a_muted_microphone_has_a_time_of_its_own(
    redis_client: Redis, redis_url: str, tmp_path: Path, listener: Listener, idle_s: float, told: str
) -> None:
    settings = {"session_idle_timeout_s": 1.0, "realtime_idle_timeout_s": idle_s, "vad_silence_threshold_ms": 5000}
    async with running_gateway(redis_client, redis_url, tmp_path, **settings) as gateway:
        async with line(address(gateway)) as client:
            await client.send(append(400))
            await asyncio.sleep(2.5)
            with contextlib.suppress(websockets.ConnectionClosed):
                await client.send(append(400), COMMIT)
            event = await client.hear(told)
    assert told != "error" or event["error"]["code"] == "idle"
