"""Messages of OpenAI's Realtime API, and whatever else clients send: it never ends a connection."""

import json
import random
from typing import Any

import pytest

from stt_gateway.core.openai.realtime.messages import NotUnderstood, client_message
from stt_gateway.core.requests.session_request import Defaults, SessionRequest
from stt_gateway.dialects.base import Begin, Reply
from stt_gateway.dialects.openai_realtime import OpenAIRealtimeDialect

pytestmark = pytest.mark.unit

MESSAGES: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {"language": "en", "languages": ["en", "fr"], "keywords": ["x"], "prompt": "a"},
                    "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500},
                    "noise_reduction": {"type": "near_field"},
                }
            },
            "include": ["item.input_audio_transcription.logprobs"],
        },
    },
    {"type": "transcription_session.update", "session": {"input_audio_format": "g711_ulaw", "turn_detection": None}},
    {"type": "input_audio_buffer.append", "audio": "AAAA" * 2000},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
]
ODD: list[Any] = [None, 0, -1, 1e99, 2**70, "x" * 50, [], {}, True, "\x00", [[[]]], {"a": {}}]


def mutated(chance: random.Random) -> str | bytes:
    message = json.loads(json.dumps(chance.choice(MESSAGES)))
    if chance.random() < 0.4:
        node: Any = message
        while chance.random() < 0.7 and (inner := [one for one in node.values() if isinstance(one, dict)]):
            node = chance.choice(inner)
        if node:
            node[chance.choice(list(node))] = chance.choice(ODD)
        return json.dumps(message)
    if chance.random() < 0.1:
        return chance.randbytes(20)
    letters = list(json.dumps(message))
    for _ in range(chance.randint(0, 5)):
        letters[chance.randrange(len(letters))] = chance.choice(['"', "{", "]", ":", ",", "\x00", "é", "9", ""])
    return "".join(letters)


def test_no_message_ends_the_connection() -> None:
    chance = random.Random(7)
    for _ in range(40):
        dialect = OpenAIRealtimeDialect("x")
        dialect.parse_query([], Defaults())
        request: SessionRequest | None = None
        for _ in range(50):
            for step in dialect.parse_message(mutated(chance), request, 1_000_000):
                match step:
                    case Begin():
                        request = step.request
                    case Reply():
                        assert json.loads(step.payload)["event_id"].startswith("event_x")
                    case _:
                        assert request is not None


@pytest.mark.parametrize("text", ['{"type":"input_audio_buffer.append","audio":7 ', '{"type":7'])
def test_what_is_cut_off_after_a_mistake_is_no_json(text: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        client_message(text)
    assert refused.value.code == "invalid_json"
