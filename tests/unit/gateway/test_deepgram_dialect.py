"""Deepgram's protocol of live sessions, event by event: results, ends of speech, answers and errors."""

import hashlib
import json
import random
from typing import Any

import msgspec
import pytest

from stt_gateway.core.live.messages import Audio, Configure, Finalize, Keepalive, Stop
from stt_gateway.core.requests.session_request import Defaults
from stt_gateway.dialects.base import Reply, Step
from stt_gateway.dialects.deepgram.dialect import MAX_UNREADABLE, DeepgramDialect
from stt_gateway.dialects.deepgram.pauses import HEARING_MS
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import (
    Ack,
    Done,
    Error,
    Event,
    Final,
    Finalized,
    Partial,
    Ready,
    SpeakerTurn,
    SpeechEnded,
    SpeechStarted,
    Word,
)

pytestmark = pytest.mark.unit

STAMP = "2026-01-01T00:00:00.000Z"
MAX_BYTES = 1_000_000
SECOND = bytes(32_000)


class Talk:
    """One connection: what the client sends becomes steps, and events become messages."""

    def __init__(self, **query: str) -> None:
        self.dialect = DeepgramDialect("r1", STAMP, lambda: "base")
        pairs = {"encoding": "linear16", "punctuate": "true", "interim_results": "true", **query}
        self.request = self.dialect.parse_query(list(pairs.items()), Defaults())

    def send(self, data: str | bytes | dict[str, Any]) -> list[Step]:
        given = json.dumps(data) if isinstance(data, dict) else data
        return list(self.dialect.parse_message(given, self.request, MAX_BYTES))

    def replies(self, data: str | bytes | dict[str, Any]) -> list[dict[str, Any]]:
        return [json.loads(step.payload) for step in self.send(data) if isinstance(step, Reply)]

    def hear(self, event: Event) -> list[dict[str, Any]]:
        body = msgspec.json.encode(event)
        return [json.loads(one) for one in self.dialect.render_event(msgspec.json.decode(body)["type"], body)]


def began(start_ms: int, **more: Any) -> SpeechStarted:
    return SpeechStarted(session_id="s", start_ms=start_ms, timestamp=STAMP, **more)


def ended(end_ms: int, **more: Any) -> SpeechEnded:
    return SpeechEnded(session_id="s", end_ms=end_ms, timestamp=STAMP, **more)


def final(text: str, start_ms: int, end_ms: int, committed_ms: int = 0, **more: Any) -> Final:
    parts = text.split()
    step = (end_ms - start_ms) // len(parts)
    words = [Word(part, start_ms + at * step, start_ms + (at + 1) * step, 0.9) for at, part in enumerate(parts)]
    return Final(
        session_id="s", text=text, confidence=0.9, timestamp=STAMP, utterance=1, start_ms=start_ms, end_ms=end_ms,
        language="en", words=words, committed_ms=committed_ms, **more,
    )  # fmt: skip


def partial(text: str) -> Partial:
    return Partial(
        session_id="s", text=text, new_text=text, stable="", unstable=text, confidence=0.5, timestamp=STAMP,
        utterance=1, start_ms=200, end_ms=1200, lag_ms=0,
    )  # fmt: skip


def ack(committed_ms: int) -> Ack:
    return Ack(session_id="s", received_seq=1, committed_ms=committed_ms)


def finalized(at_ms: int) -> Finalized:
    return Finalized(session_id="s", at_ms=at_ms, timestamp=STAMP)


def test_results() -> None:
    talk = Talk()
    talk.dialect.render_event(
        "ready",
        msgspec.json.encode(
            Ready(
                session_id="s",
                resume_token="",
                resume_from_seq=0,
                limits=msgspec.UNSET,
                config={},
                timestamp=STAMP,  # type: ignore[arg-type]
            )
        ).replace(b'"config"', b'"limits":{"max_message_bytes":1,"max_session_s":1,"max_utterance_s":1},"config"'),
    )
    (interim,) = talk.hear(partial("Ever tried"))
    assert interim["channel"]["alternatives"] == [{"transcript": "Ever tried", "confidence": 0.5, "words": []}]
    assert (interim["is_final"], interim["speech_final"], interim["start"], interim["duration"]) == (
        False,
        False,
        0.2,
        1,
    )
    assert talk.hear(began(300)) == []
    assert talk.hear(ended(1300)) == []
    (found,) = talk.hear(final("Ever tried.", 300, 1300))
    assert found["channel"]["alternatives"] == [
        {
            "transcript": "Ever tried.",
            "confidence": 0.9,
            "words": [
                {"word": "ever", "start": 0.3, "end": 0.8, "confidence": 0.9, "punctuated_word": "Ever"},
                {"word": "tried", "start": 0.8, "end": 1.3, "confidence": 0.9, "punctuated_word": "tried."},
            ],
        }
    ]
    assert (found["type"], found["channel_index"], found["is_final"]) == ("Results", [0, 1], True)
    assert (found["speech_final"], found["from_finalize"]) == (True, False)
    assert found["metadata"]["request_id"] == "r1"
    assert found["metadata"]["model_info"]["name"] == "base"


def test_a_text_that_no_pause_has_ended_is_final_but_not_the_end_of_speech() -> None:
    talk = Talk()
    talk.hear(began(0))
    (cut,) = talk.hear(final("And so on", 100, 27_000))
    talk.hear(ended(29_000))
    (rest,) = talk.hear(final("and on.", 27_100, 28_900))
    assert [cut["speech_final"], rest["speech_final"]] == [False, True]


def test_without_endpointing_no_text_ends_the_speech() -> None:
    talk = Talk(endpointing="false")
    talk.hear(began(0))
    talk.hear(ended(900))
    assert talk.hear(final("Ever.", 0, 900))[0]["speech_final"] is False


def test_speech_started_only_if_asked_for() -> None:
    assert Talk().hear(began(320)) == []
    found = Talk(vad_events="true").hear(began(320))
    assert found == [{"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.32}]


def test_channels() -> None:
    talk = Talk(multichannel="true", channels="2", vad_events="true")
    assert talk.hear(began(320, channel=1))[0]["channel"] == [1, 2]
    talk.hear(ended(900, channel=0))
    (found,) = talk.hear(final("Yes.", 400, 900, channel=1))
    assert (found["channel_index"], found["speech_final"]) == ([1, 2], False)


def test_speakers_have_numbers_in_the_order_in_which_they_speak() -> None:
    talk = Talk(diarize="true")
    turns = [SpeakerTurn(0, "Speaker 2"), SpeakerTurn(1, "Speaker 1"), SpeakerTurn(2, None)]
    found = talk.hear(final("One two three", 0, 900, speaker="Speaker 2", turns=turns))
    words = found[0]["channel"]["alternatives"][0]["words"]
    assert [word.get("speaker") for word in words] == [0, 1, None]
    again = talk.hear(final("Four", 1000, 1300, speaker="Speaker 1"))
    assert again[0]["channel"]["alternatives"][0]["words"][0]["speaker"] == 1


def test_metadata_at_the_end() -> None:
    talk = Talk(multichannel="true", channels="2")
    talk.send(b"abc")
    talk.send(b"de")
    (found,) = talk.hear(Done(session_id="s", text="", duration_ms=1500, finals=0, timings_ms={}))
    assert (found["type"], found["request_id"], found["duration"], found["channels"]) == ("Metadata", "r1", 1.5, 2)
    assert found["sha256"] == hashlib.sha256(b"abcde").hexdigest()
    assert found["created"] == STAMP


def test_messages_of_the_client() -> None:
    talk = Talk()
    assert talk.send({"type": "KeepAlive"}) == [Keepalive()]
    assert talk.send(b"\x01\x02") == [Audio(chunk=b"\x01\x02")]
    assert talk.send({"type": "Finalize", "channel": 0}) == [Finalize()]
    assert talk.send({"type": "CloseStream"}) == [Stop()]
    assert talk.send(b'{"type":"CloseStream"}') == [Stop()], "sent as binary by mistake"
    assert talk.send(b'{"type":"') == [Audio(chunk=b'{"type":"')], "audio that looks like it"
    assert talk.send(b"") == [Stop()], "as older clients end"
    with pytest.raises(SttError, match="allowed"):
        talk.send(bytes(MAX_BYTES + 1))


def test_keyterms_may_change() -> None:
    talk = Talk()
    change, reply = talk.send({"type": "Configure", "keyterms": ["Ann", " Ann "]})
    assert change == Configure(keyterms=["Ann"])
    assert isinstance(reply, Reply)
    assert json.loads(reply.payload) == {"type": "ConfigureSuccess", "request_id": "r1", "keyterms": ["Ann"]}
    (kept,) = talk.send({"type": "Configure", "features": {"numerals": True}})
    assert isinstance(kept, Reply)
    (refused,) = talk.replies({"type": "Configure", "keyterms": ["x" * 101]})
    assert (refused["type"], refused["code"]) == ("ConfigureFailure", "CONFIGURE_KEYTERM_LIMIT_EXCEEDED")


def test_finalize_is_answered_by_the_last_final_of_what_was_said() -> None:
    talk = Talk()
    talk.hear(began(100))
    talk.send(SECOND * 3)
    assert talk.send({"type": "Finalize"}) == [Finalize()]
    talk.hear(ended(1000))
    assert talk.hear(final("Ever", 100, 990, committed_ms=1200))[0]["from_finalize"] is False, "another one follows"
    talk.hear(began(2000))
    talk.hear(ended(2900))
    assert talk.hear(finalized(3000)) == []
    assert talk.hear(ack(1200)) == []
    (found,) = talk.hear(final("tried.", 2100, 2800, committed_ms=3000))
    assert (found["from_finalize"], found["speech_final"]) == (True, True)
    assert talk.hear(ack(3000)) == [], "once"


def test_finalize_is_answered_where_nobody_spoke_too() -> None:
    talk = Talk()
    talk.send(SECOND)
    talk.send({"type": "Finalize"})
    assert talk.hear(ack(500)) == []
    assert talk.hear(finalized(0)) == [], "of an earlier one"
    (found,) = talk.hear(finalized(1000))
    assert (found["is_final"], found["from_finalize"]) == (True, True)
    assert found["channel"]["alternatives"][0]["transcript"] == ""
    (again,) = talk.replies({"type": "Finalize"})
    assert again["from_finalize"] is True, "without new audio there is nothing to wait for"
    assert Talk().replies({"type": "Finalize"})[0]["from_finalize"] is True


def test_finalize_of_speech_without_words_is_answered_when_it_is_settled() -> None:
    talk = Talk()
    talk.send(SECOND)
    talk.send({"type": "Finalize"})
    assert talk.send({"type": "Finalize"}) == [], "one answer is enough"
    talk.hear(began(200))
    talk.hear(ended(900))
    assert talk.hear(finalized(1000)) == []
    assert talk.hear(partial("")) != []
    assert talk.hear(ack(800)) == []
    assert [one["from_finalize"] for one in talk.hear(ack(1000))] == [True]


def test_finalize_with_channels_apart_waits_for_each_that_spoke() -> None:
    talk = Talk(multichannel="true", channels="2")
    talk.send(SECOND * 2)
    talk.send({"type": "Finalize"})
    for channel in (0, 1):
        talk.hear(began(200, channel=channel))
        talk.hear(ended(900, channel=channel))
    assert talk.hear(finalized(1000)) == []
    assert talk.hear(final("One.", 200, 900, channel=0))[0]["from_finalize"] is False
    assert talk.hear(final("Two.", 200, 900, channel=1))[0]["from_finalize"] is True


def test_utterance_end_comes_with_the_clients_own_audio() -> None:
    talk = Talk(utterance_end_ms="1000")
    talk.send(SECOND)
    talk.hear(began(100))
    talk.hear(ended(900))
    talk.send(SECOND[:16_000])
    talk.hear(final("Ever.", 100, 900, committed_ms=1400, lag_ms=500))
    assert talk.replies(SECOND[:16_000]) == [], "2 s were sent, but the last may not be heard yet"
    found = talk.replies(SECOND[: (HEARING_MS - 100) * 32])
    assert found == [{"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 0.9}]
    assert talk.replies(SECOND * 2) == [], "once"


def test_no_utterance_end_while_a_client_is_ahead_of_what_was_heard() -> None:
    talk = Talk(utterance_end_ms="1000")
    talk.send(SECOND * 10)
    talk.hear(began(100))
    talk.hear(ended(900))
    talk.hear(final("Ever.", 100, 900, committed_ms=1100, lag_ms=300))
    assert talk.replies(SECOND) == []
    assert talk.hear(began(1500)) == [], "the pause was short"
    talk.hear(ended(2000))
    talk.hear(final("tried.", 1500, 2000, committed_ms=2200, lag_ms=300))
    assert talk.hear(ack(2900)) == []
    assert [one["last_word_end"] for one in talk.hear(ack(3100))] == [2.0]
    assert talk.hear(began(9000)) == []


def test_speech_that_goes_on_before_the_text_is_known_ends_no_utterance() -> None:
    talk = Talk(utterance_end_ms="1000")
    talk.send(SECOND * 3)
    for start_ms, end_ms in ((100, 900), (1500, 2100)):
        talk.hear(began(start_ms))
        talk.hear(ended(end_ms))
    talk.hear(began(3500))
    assert len(talk.hear(final("Ever.", 100, 900, lag_ms=2000))) == 1, "speech went on at 1.5 s"
    assert talk.replies(SECOND) == []
    found = talk.hear(final("tried.", 1500, 2100, lag_ms=2000))
    assert [one["type"] for one in found] == ["Results", "UtteranceEnd"]


def test_the_end_of_the_audio_may_end_an_utterance() -> None:
    for duration_ms, kinds in ((1500, ["Metadata"]), (2000, ["UtteranceEnd", "Metadata"])):
        talk = Talk(utterance_end_ms="1000")
        talk.hear(final("Ever.", 100, 900))
        found = talk.hear(Done(session_id="s", text="", duration_ms=duration_ms, finals=1, timings_ms={}))
        assert [one["type"] for one in found] == kinds


def test_an_utterance_end_that_speech_makes_known() -> None:
    talk = Talk(utterance_end_ms="1000", vad_events="true", encoding="ogg-opus")
    talk.send(SECOND)
    talk.hear(final("Ever.", 100, 900))
    assert [one["type"] for one in talk.hear(began(2000))] == ["UtteranceEnd", "SpeechStarted"]
    assert Talk().hear(ack(9000)) == []


def test_a_message_that_cannot_be_read_is_answered_and_the_next_one_counts() -> None:
    talk = Talk()
    for text in ("", "x", "[]", "{}", '{"type":"Sing"}', '{"type":1}', "[" * 100, '{"type":"Finalize","channel":-1}'):
        (found,) = talk.replies(text)
        assert (found["type"], found["variant"], found["message"]) == ("Error", "SchemaError", text)
    assert talk.send({"type": "KeepAlive"}) == [Keepalive()]
    for _ in range(MAX_UNREADABLE - 8):
        talk.send("x" * 1000)
    with pytest.raises(SttError, match="type"):
        talk.send("x")


def test_no_message_breaks_it() -> None:
    rng = random.Random(7)
    talk = Talk(utterance_end_ms="1000")
    seeds = [
        '{"type":"Configure","keyterms":["a"]}',
        '{"type":"Finalize"}',
        '{"type":"KeepAlive"}',
        "null",
        '"\\ud800"',
    ]
    for number in range(20_000):
        text = list(rng.choice(seeds))
        for _ in range(rng.randrange(3)):
            text[rng.randrange(len(text))] = chr(rng.choice((0, 34, 44, 92, 123, 125, 0xD800, rng.randrange(0x10000))))
        given = "".join(text)
        message: str | bytes = given if rng.random() < 0.7 else given.encode(errors="surrogatepass")
        if number % MAX_UNREADABLE == 0:
            talk = Talk(utterance_end_ms="1000")
        for step in talk.send(message):
            if isinstance(step, Reply):
                assert json.loads(step.payload)["type"] in ("Error", "Results", "ConfigureSuccess", "ConfigureFailure")


def test_errors_end_the_connection_in_its_own_words() -> None:
    talk = Talk()
    payload = talk.dialect.render_error(Error(session_id="s", code="bad_audio", message="no audio", retryable=False))
    assert isinstance(payload, str)
    found = json.loads(payload)
    assert (found["type"], found["description"], found["request_id"]) == ("Error", "no audio", "r1")
    assert talk.dialect.close_reason == ""
    assert (talk.dialect.close_code("bad_audio"), talk.dialect.close_reason) == (1008, "DATA-0000")
    assert (talk.dialect.close_code("idle"), talk.dialect.close_reason) == (1011, "NET-0001")
