"""Wyoming's messages on the wire."""

import json

import pytest

from stt_cli.bridge.wyoming_wire import (
    MAX_DATA_BYTES,
    MAX_PAYLOAD_BYTES,
    Message,
    WireError,
    encoded,
    header_of,
    message_of,
)

pytestmark = pytest.mark.unit


def test_data_may_be_in_the_line_after_it_or_both() -> None:
    header = header_of(
        b'{"type": "transcribe", "data": {"language": "en", "name": "x"}, "data_length": 18, "version": "1"}\n'
    )
    assert (header.data_length, header.payload_length) == (18, None)
    assert message_of(header, b'{"language": "de"}', b"pcm") == Message(
        "transcribe", {"language": "de", "name": "x"}, b"pcm"
    )
    assert message_of(header_of(b'{"type":"describe","data":null,"data_length":null}'), b"", b"") == Message(
        "describe", {}
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"rubbish\n",
        b"[]\n",
        b"{}\n",
        b'{"type": 1}\n',
        b'{"type": "\xff"}\n',
        b'{"type": "x", "data_length": -1}\n',
        b'{"type": "x", "data_length": 1.5}\n',
        b'{"type": "x", "payload_length": "9"}\n',
        b'{"type": "x", "data": ' + b"[" * 60_000,
        b'{"type": "x", "data": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
        json.dumps({"type": "x", "data_length": MAX_DATA_BYTES + 1}).encode(),
        json.dumps({"type": "x", "payload_length": MAX_PAYLOAD_BYTES + 1}).encode(),
    ],
    ids=lambda line: line[:24].decode(errors="replace"),
)
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        header_of(line)


@pytest.mark.parametrize("data", [b"[]", b"{", b"\xff", b"[" * 60_000])
def test_what_is_no_data_is_refused(data: bytes) -> None:
    with pytest.raises(WireError, match="the data of 'x'"):
        message_of(header_of(b'{"type":"x"}'), data, b"")


def test_what_is_sent_can_be_read_back() -> None:
    for data in ({}, {"text": "naïve 雪"}):
        line, _, rest = encoded("transcript", data).partition(b"\n")
        header = header_of(line)
        assert len(rest) == (header.data_length or 0)
        assert message_of(header, rest, b"") == Message("transcript", data)
