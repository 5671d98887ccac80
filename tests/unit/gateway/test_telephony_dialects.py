"""Dialects of telephony: what they take from what they are told, and what they refuse."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from support.telephony import CALL, CONNECTED, STREAM, media, media_start, start

from stt_gateway.core.live.messages import Audio, Finalize, Stop
from stt_gateway.core.requests.session_request import Defaults, SessionRequest
from stt_gateway.dialects.asterisk import FORMATS, AsteriskDialect
from stt_gateway.dialects.base import Begin, Dialect
from stt_gateway.dialects.freeswitch import FreeswitchDialect
from stt_gateway.dialects.twilio import TwilioDialect
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import ChannelMode, Encoding
from stt_shared.contracts.speakers import SpeakerCount

pytestmark = pytest.mark.unit

MAX_BYTES = 100_000
ROUNDS = 2000


def twilio(message: str = "", pairs: tuple[tuple[str, str], ...] = ()) -> tuple[TwilioDialect, SessionRequest]:
    dialect = TwilioDialect()
    assert not dialect.introduce(CONNECTED, MAX_BYTES)
    assert dialect.introduce(message or start(), MAX_BYTES)
    request = dialect.parse_query(pairs, Defaults())
    assert request is not None
    return dialect, request


def refusal(work: Callable[[], Any]) -> SttError:
    with pytest.raises(SttError) as raised:
        work()
    return raised.value


class TestTwilio:
    def test_a_call_becomes_a_session_with_a_channel_for_each_track(self) -> None:
        _, request = twilio()
        config = request.config
        assert (config.encoding, config.sample_rate, config.channels) == (Encoding.MULAW, 8000, 2)
        assert config.channel_mode is ChannelMode.SEPARATE
        assert (request.session_id, config.conversation_id) == (STREAM, CALL)

    def test_one_track_is_one_channel(self) -> None:
        for tracks in (["outbound"], []):
            _, request = twilio(start(tracks=tracks))
            assert (request.config.channels, request.config.channel_mode) == (1, ChannelMode.MIX)

    def test_custom_parameters_and_the_query_are_options(self) -> None:
        custom = {
            "language": "de-AT",
            "conversation_id": "desk",
            "keyterms": "Wien",
            "Name": "Ada",
            "store": "true",
        }
        _, request = twilio(start(custom), (("endpointing_ms", "900"),))
        config = request.config
        assert (config.language, config.conversation_id, config.keyterms) == ("de", "desk", ("Wien",))
        assert (config.store, config.endpointing_ms) == (True, 900)

    @pytest.mark.parametrize(
        ("custom", "pairs", "named"),
        [
            ({"language": "klingon"}, (), "language='klingon'"),
            ({"language": "en"}, (("language", "de"),), "given twice"),
            ({"sample_rate": "16000"}, (), "sample_rate is given"),
            ({}, (("colour", "red"),), "unknown parameter 'colour'"),
        ],
    )
    def test_options_that_are_not_allowed_are_refused(
        self, custom: dict[str, str], pairs: tuple[tuple[str, str], ...], named: str
    ) -> None:
        error = refusal(lambda: twilio(start(custom), pairs))
        assert error.code == "bad_config"
        assert named in error.message

    def test_another_codec_is_refused(self) -> None:
        error = refusal(lambda: twilio(start(mediaFormat={"encoding": "audio/opus", "sampleRate": 48000})))
        assert (error.code, "audio/opus" in error.message) == ("bad_config", True)

    def test_a_key_may_come_with_the_call(self) -> None:
        for name in ("api_key", "access_token"):
            dialect, _ = twilio(start({name: "stt_secret"}))
            assert dialect.credential == "stt_secret"
        assert twilio()[0].credential == ""

    def test_tracks_become_channels_and_stop_brings_the_rest(self) -> None:
        dialect, request = twilio()
        heard = b""
        for message in (
            media("inbound", 5, b"\x01" * 160),
            media("outbound", 5, b"\x02" * 160),
            media("inbound", 25, b"\x03" * 160),
        ):
            for step in dialect.parse_message(message, request, MAX_BYTES):
                assert isinstance(step, Audio)
                heard += step.chunk
        assert heard == b"\x01\x02" * 160
        last, stop = dialect.parse_message('{"event":"stop","stop":{"callSid":"CA0"}}', request, MAX_BYTES)
        assert (last, stop) == (Audio(chunk=b"\x03\xff" * 160), Stop())
        assert dialect.leftover() == []

    def test_marks_and_digits_have_no_effect(self) -> None:
        dialect, request = twilio()
        for message in (
            '{"event":"mark","mark":{"name":"x"}}',
            '{"event":"dtmf","dtmf":{"track":"inbound_track","digit":"1"}}',
        ):
            assert dialect.parse_message(message, request, MAX_BYTES) == ()

    @pytest.mark.parametrize(
        "message",
        [
            "hello", "[]", "{}", '{"event":7}', b"\x00\x01", '{"event":"media"}', media("third", 0, b""),
            '{"event":"media","media":{"track":"inbound","payload":"%%%"}}',
            '{"event":"media","media":{"track":"inbound","payload":"","timestamp":"-1"}}',
            '{"event":"media","media":{"track":"inbound","payload":"","timestamp":"soon"}}',
            '{"event":"x","y":' + "[" * 50_000, start(), "\ud800",
        ],
        ids=lambda message: repr(message)[:30],
    )  # fmt: skip
    def test_what_is_no_message_is_refused(self, message: str | bytes) -> None:
        dialect, request = twilio()
        assert refusal(lambda: dialect.parse_message(message, request, MAX_BYTES)).code == "bad_message"

    def test_what_is_too_long_is_refused(self) -> None:
        dialect, request = twilio()
        assert (
            refusal(lambda: dialect.parse_message(media("inbound", 0, bytes(MAX_BYTES)), request, MAX_BYTES)).code
            == "too_large"
        )

    @pytest.mark.parametrize(
        "message", [media("inbound", 0, b""), '{"event":"stop"}', '{"event":"start"}', start(tracks=["x"]), b""]
    )
    def test_nothing_but_start_begins(self, message: str | bytes) -> None:
        assert refusal(lambda: TwilioDialect().introduce(message, MAX_BYTES)).code == "bad_message"


def asterisk(pairs: tuple[tuple[str, str], ...] = ()) -> AsteriskDialect:
    dialect = AsteriskDialect()
    assert dialect.parse_query(pairs, Defaults()) is None
    return dialect


def begun(dialect: Dialect, message: str | bytes) -> SessionRequest:
    step, *_ = dialect.parse_message(message, None, MAX_BYTES)
    assert isinstance(step, Begin)
    return step.request


class TestAsterisk:
    @pytest.mark.parametrize("name", FORMATS)
    def test_media_start_says_what_the_audio_is(self, name: str) -> None:
        encoding, rate = FORMATS[name]
        as_json = {
            "event": "MEDIA_START",
            "connection_id": "3b1c",
            "channel_id": "1733000000.15",
            "format": name,
            "ptime": 20,
        }
        for message in (media_start(name), json.dumps(as_json)):
            config = begun(asterisk((("language", "fr"),)), message).config
            assert (config.encoding, config.sample_rate, config.channels) == (encoding, rate, 1)
            assert (config.language, config.conversation_id) == ("fr", "1733000000.15")

    def test_the_conversation_may_be_named_in_the_address(self) -> None:
        config = begun(asterisk((("conversation_id", "desk"),)), media_start("ulaw")).config
        assert config.conversation_id == "desk"

    def test_audio_is_audio_and_other_control_messages_have_no_effect(self) -> None:
        dialect = asterisk()
        for message in ("STATUS queue_length:0", '{"event":"DTMF_END","digit":"5"}'):
            assert dialect.parse_message(message, None, MAX_BYTES) == ()
        request = begun(dialect, media_start("slin16"))
        assert dialect.parse_message(b"{}", request, MAX_BYTES) == [Audio(chunk=b"{}")]
        for message in ("MEDIA_XOFF", "MEDIA_XON", "DTMF_END digit:5", '{"event":"QUEUE_DRAINED"}'):
            assert dialect.parse_message(message, request, MAX_BYTES) == ()

    @pytest.mark.parametrize(
        "message",
        [
            b"\x00\x01",
            "",
            "hello",
            "media_start format:ulaw",
            "{",
            '{"event":5}',
            "[]",
            '{"a":' + "[" * 50_000,
            "\ud800",
        ],
    )
    def test_what_comes_before_media_start_is_refused(self, message: str | bytes) -> None:
        assert refusal(lambda: asterisk().parse_message(message, None, MAX_BYTES)).code == "bad_message"

    def test_a_second_start_is_refused(self) -> None:
        dialect = asterisk()
        request = begun(dialect, media_start("ulaw"))
        error = refusal(lambda: dialect.parse_message(media_start("ulaw"), request, MAX_BYTES))
        assert error.code == "bad_message"

    @pytest.mark.parametrize("name", ["opus", "", "slin11"])
    def test_formats_that_are_not_heard_are_refused(self, name: str) -> None:
        error = refusal(lambda: asterisk().parse_message(media_start(name), None, MAX_BYTES))
        assert (error.code, "slin16" in error.message) == ("bad_config", True)


def freeswitch(*pairs: tuple[str, str]) -> FreeswitchDialect:
    dialect = FreeswitchDialect()
    assert dialect.parse_query(pairs, Defaults()) is None
    return dialect


class TestFreeswitch:
    def test_audio_may_come_first(self) -> None:
        begin, audio = freeswitch().parse_message(b"\x01\x00", None, MAX_BYTES)
        assert isinstance(begin, Begin)
        assert (begin.request.config.encoding, begin.request.config.sample_rate) == (Encoding.PCM_S16LE, 8000)
        assert audio == Audio(chunk=b"\x01\x00")

    def test_metadata_may_hold_options_and_the_address_counts_more(self) -> None:
        metadata = {
            "language": "de",
            "keyterms": ["Wien", "Graz"],
            "store": True,
            "endpointing_ms": 900,
            "caller": {"id": 7},
            "resume_token": "x",
        }
        config = begun(freeswitch(("language", "fr"), ("sample_rate", "16000")), json.dumps(metadata)).config
        assert (config.language, config.keyterms, config.store) == ("fr", ("Wien", "Graz"), True)
        assert (config.sample_rate, config.endpointing_ms) == (16000, 900)

    @pytest.mark.parametrize("metadata", ["any text", "{", "[1]", "", "[" * 50_000, "\ud800"])
    def test_metadata_may_be_any_text(self, metadata: str) -> None:
        assert begun(freeswitch(), metadata).config.sample_rate == 8000

    def test_two_channels_are_kept_apart_unless_they_are_to_be_mixed(self) -> None:
        assert begun(freeswitch(("channels", "2")), "").config.channel_mode is ChannelMode.SEPARATE
        apart = begun(freeswitch(("channels", "2"), ("speakers", "1-2")), "").config
        assert (apart.channel_mode, apart.speakers) == (ChannelMode.SEPARATE, SpeakerCount(1, 2))
        mixed = begun(freeswitch(("channels", "2"), ("channel_mode", "mix")), "").config
        assert mixed.channel_mode is ChannelMode.MIX

    def test_text_after_that_is_a_command_or_nothing(self) -> None:
        dialect = freeswitch()
        request = begun(dialect, "")
        assert dialect.parse_message('{"type":"finalize"}', request, MAX_BYTES) == [Finalize()]
        assert dialect.parse_message('{"digit":"5"}', request, MAX_BYTES) == ()
        assert dialect.parse_message("bye", request, MAX_BYTES) == ()
        assert refusal(lambda: dialect.parse_message('{"type":', request, MAX_BYTES)).code == "bad_message"

    def test_options_that_are_not_allowed_are_refused(self) -> None:
        for pairs in ([("language", "klingon")], [("language", "en")] * 2, [("encoding", "webm")], [("colour", "red")]):
            assert refusal(lambda pairs=pairs: freeswitch(*pairs)).code == "bad_config"
        assert refusal(lambda: begun(freeswitch(), '{"language":"klingon"}')).code == "bad_config"
        assert refusal(lambda: begun(freeswitch(), '{"language":{"a":1}}')).code == "bad_config"


def attempts(data: str | bytes) -> list[Callable[[], Any]]:
    """The same message for each dialect, before and after its beginning."""
    begun_twilio, request = twilio()
    begun_asterisk = asterisk()
    return [
        lambda: TwilioDialect().introduce(data, MAX_BYTES),
        lambda: begun_twilio.parse_message(data, request, MAX_BYTES),
        lambda: asterisk().parse_message(data, None, MAX_BYTES),
        lambda: begun_asterisk.parse_message(data, request, MAX_BYTES),
        lambda: freeswitch().parse_message(data, None, MAX_BYTES),
        lambda: freeswitch().parse_message(data, request, MAX_BYTES),
    ]


def test_random_messages_are_taken_or_refused_and_nothing_else() -> None:
    dice = random.Random(11)
    voice, begin = media("inbound", 20, b"\xff" * 40), media_start("ulaw")
    good = [start(), voice, '{"event":"stop"}', begin, '{"language":"de"}', '{"type":"finalize"}', "MEDIA_XOFF"]
    codes: list[str] = []
    for _ in range(ROUNDS):
        message = bytearray(dice.choice(good).encode())
        for _ in range(dice.randrange(4)):
            at = dice.randrange(len(message) + 1)
            message[at : at + dice.randrange(4)] = dice.choice([dice.randbytes(2), b'"', b"{", b"[", b"9" * 9, b"null"])
        for attempt in attempts(bytes(message) if dice.random() < 0.1 else message.decode(errors="replace")):
            try:
                attempt()
                codes.append("")
            except SttError as error:
                codes.append(error.code)
    assert set(codes) == {"", "bad_message", "bad_config"}
    assert 0.1 * len(codes) < codes.count("") < 0.9 * len(codes)
