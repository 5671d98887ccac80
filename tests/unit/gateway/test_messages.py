"""Messages of clients: every bad one gets an error with a code, which says what is allowed."""

import base64
import json
import re

import pytest

from stt_gateway.core.live.messages import (
    Audio,
    Configure,
    Finalize,
    ForeignMessage,
    Keepalive,
    Message,
    Stop,
    message_from_bytes,
    message_from_text,
)
from stt_gateway.core.requests.session_request import Framing
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

LIMIT = 1000


def refusal_of(text: str, limit: int = LIMIT) -> SttError:
    with pytest.raises(SttError) as caught:
        message_from_text(text, limit)
    return caught.value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"audio","chunk":"AQI="}', Audio(chunk=b"\x01\x02")),
        ('{"type":"audio","chunk":""}', Audio(chunk=b"")),
        ('{"type":"audio","session_id":"a","chunk":"AQI=","seq":7}', Audio(session_id="a", chunk=b"\x01\x02", seq=7)),
        ('{"chunk":"AQI=","seq":null,"type":"audio"}', Audio(chunk=b"\x01\x02")),
        ('{"type":"finalize"}', Finalize()),
        ('{"type":"configure","keyterms":["a"]}', Configure(keyterms=["a"])),
        (' {"type" : "stop", "reason": {"of": ["the client"]}} ', Stop()),
        ('{"type":"keepalive","session_id":null}', Keepalive()),
    ],
)
def test_what_is_allowed(text: str, message: Message) -> None:
    assert message_from_text(text, LIMIT) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "null",
        "7",
        "[1, 2]",
        '"stop"',
        "{}",
        '{"type":"sing"}',
        '{"type":7}',
        '{"type":"Stop"}',
        '{"type":"stop"} {"type":"stop"}',
        '{"type":"stop"',
        '{"type":"audio"}',
        '{"type":"audio","chunk":null}',
        '{"type":"audio","chunk":[1,2]}',
        '{"type":"audio","chunk":"@@@"}',
        '{"type":"audio","chunk":"AQI=","seq":-1}',
        '{"type":"audio","chunk":"AQI=","seq":"1"}',
        '{"type":"audio","chunk":"AQI=","seq":1.5}',
        '{"type":"audio","chunk":"AQI=","seq":true}',
        '{"type":"audio","chunk":"AQI=","seq":9007199254740993}',
        '{"type":"audio","chunk":"AQI=","seq":1' + "0" * 500 + "}",
        '{"type":"stop","session_id":7}',
        "\ufeff{}",
        '{"type":"st\x00op"}',
        '{"type":"\ud800"}',
    ],
)
def test_what_is_no_message_is_refused_with_what_is_allowed(text: str) -> None:
    error = refusal_of(text)
    assert error.code == "bad_message"
    assert "type is audio, finalize, configure, stop or keepalive" in error.message


@pytest.mark.parametrize(
    "chunk",
    [
        "-_8BAg==",
        "-_8BAg",
        "+/8BAg",
        "+/8B\\r\\nAg==\\r\\n",
        " +/8B Ag",
        "data:audio/webm;codecs=opus;base64,+/8BAg==",
        "data:audio/wav;base64,-_8BAg",
    ],
)
def test_base64_as_many_write_it(chunk: str) -> None:
    text = '{"type":"audio","seq":3,"chunk":"' + chunk + '"}'
    assert message_from_text(text, LIMIT) == Audio(chunk=b"\xfb\xff\x01\x02", seq=3)


@pytest.mark.parametrize("chunk", ["@@@", "AQIDB", "AQ=ID", "ÄÖÜß", "data:audio/wav;base64,@@@"])
def test_what_is_no_base64_is_refused(chunk: str) -> None:
    error = refusal_of(json.dumps({"type": "audio", "chunk": chunk}))
    assert error.code == "bad_message"
    assert not isinstance(error, ForeignMessage)


FOREIGN = [
    "MEDIA_START connection_id:x",
    "ping",
    "EOS",
    "",
    "[1, 2]",
    '{"event":"start"}',
    '{"type":"metadata"}',
    '{"eof" : 1}',
]


@pytest.mark.parametrize("text", FOREIGN)
def test_messages_of_other_protocols_are_told_from_broken_ones(text: str) -> None:
    assert isinstance(refusal_of(text), ForeignMessage)


@pytest.mark.parametrize(
    "text", ['{"type":"stop"', '{"type":"audio"}', '{"type":"audio","chunk":"","seq":-1}', "[" * 400]
)
def test_broken_messages_are_not_of_another_protocol(text: str) -> None:
    assert not isinstance(refusal_of(text), ForeignMessage)


@pytest.mark.parametrize("framing", list(Framing))
def test_json_in_a_binary_message_is_no_audio(framing: Framing) -> None:
    assert message_from_bytes(b'{"type":"stop"}', framing, LIMIT) == Stop()
    assert message_from_bytes(b'{"type":"audio","chunk":"AQI"}\n', framing, LIMIT) == Audio(chunk=b"\x01\x02")
    for data in (b'{"event":"start"}', b'{"type":"audio","chunk":"@@@"}'):
        with pytest.raises(SttError) as caught:
            message_from_bytes(data, framing, LIMIT)
        assert caught.value.code == "bad_message"


@pytest.mark.parametrize(
    "data", [b"{}", b"{", b'{"type":"stop"', b'{"type":"stop"}\0', b"{" * 100 + b"}", b'{"\xff":1}']
)
def test_audio_that_looks_like_json_is_audio(data: bytes) -> None:
    assert message_from_bytes(data, Framing.RAW, LIMIT) == Audio(chunk=data)


def test_a_wrong_field_is_named() -> None:
    assert "chunk" in refusal_of('{"type":"audio"}').message
    assert "$.seq" in refusal_of('{"type":"audio","chunk":"","seq":-1}').message


def test_the_message_of_an_error_stays_short_and_shows_no_audio() -> None:
    audio = base64.b64encode(bytes(600)).decode()
    error = refusal_of(json.dumps({"type": "a" * 5000, "chunk": audio}), 10_000)
    assert len(error.message) < 400
    assert audio[:40] not in error.message


@pytest.mark.parametrize(
    "text", ["[" * 400 + "]" * 400, '{"a":' * 150 + "1" + "}" * 150, '{"type":"stop","a":' + "[" * 100]
)
def test_depth_is_bounded_before_the_parser_sees_it(text: str) -> None:
    error = refusal_of(text)
    assert error.code == "bad_message"
    assert "nested too deeply" in error.message


def test_the_size_is_checked_before_anything_else() -> None:
    text = '{"type":"stop"}'
    assert message_from_text(text, len(text)) == Stop()
    error = refusal_of(text, len(text) - 1)
    assert error.code == "too_large"
    assert error.message == "a message of 15 bytes; 14 are allowed"
    assert refusal_of("[" * (LIMIT + 1)).code == "too_large"


def test_the_size_counts_bytes_not_letters() -> None:
    """A fixed bug: letters were counted, so four times the limit passed in a script of four bytes a letter."""
    text = '{"type":"stop","note":"' + "\U0001f3a4" * 300 + '"}'
    assert len(text) < LIMIT < len(text.encode())
    error = refusal_of(text)
    assert error.code == "too_large"
    assert f"a message of {len(text.encode())} bytes" in error.message
    assert message_from_text(text, len(text.encode())) == Stop()


def test_a_binary_message_is_audio() -> None:
    assert message_from_bytes(b"", Framing.RAW, LIMIT) == Audio(chunk=b"")
    assert message_from_bytes(b"abc", Framing.RAW, LIMIT) == Audio(chunk=b"abc")
    with pytest.raises(SttError) as caught:
        message_from_bytes(bytes(LIMIT + 1), Framing.RAW, LIMIT)
    assert caught.value.code == "too_large"


def test_with_seq32_a_number_comes_first() -> None:
    assert message_from_bytes(b"\x01\x02\x03\x04abc", Framing.SEQ32, LIMIT) == Audio(chunk=b"abc", seq=0x01020304)
    assert message_from_bytes(b"\xff\xff\xff\xff", Framing.SEQ32, LIMIT) == Audio(chunk=b"", seq=2**32 - 1)
    for data in (b"", b"\x00\x00\x01"):
        with pytest.raises(SttError) as caught:
            message_from_bytes(data, Framing.SEQ32, LIMIT)
        assert caught.value.code == "bad_message"
        assert "4 bytes" in caught.value.message


def test_a_change_of_the_vocabulary_says_only_what_changes() -> None:
    update = Configure(keyterms=[" Ada  Lovelace", "", "Ada Lovelace"]).update()
    assert (update.keyterms, update.replacements) == (("Ada Lovelace",), None)
    assert Configure(replacements={}).update().replacements == {}


@pytest.mark.parametrize(
    ("message", "allowed"),
    [
        (Configure(keyterms=["k" * 101]), "phrases of at most 100 characters"),
        (Configure(keyterms=[str(i) for i in range(101)]), "at most 100 phrases (there are 101)"),
        (Configure(replacements={"...": "a"}), "phrases with a letter or a digit"),
    ],
)
def test_a_vocabulary_that_is_not_allowed_is_refused(message: Configure, allowed: str) -> None:
    with pytest.raises(SttError, match=re.escape(allowed)) as caught:
        message.update()
    assert caught.value.code == "bad_message"
