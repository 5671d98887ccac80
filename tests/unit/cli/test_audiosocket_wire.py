"""Frames of AudioSocket."""

import uuid

import pytest

from stt_cli.bridge.audiosocket_wire import Frame, WireError, call_id, rate_hz

pytestmark = pytest.mark.unit

CALL = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def test_a_call_begins_with_its_id() -> None:
    assert call_id(Frame(0x01, CALL.bytes)) == str(CALL)
    for wrong in (Frame(0x01, b""), Frame(0x01, CALL.bytes + b"x"), Frame(0x10, CALL.bytes), Frame(0x00, b"")):
        with pytest.raises(WireError, match="begins with its UUID"):
            call_id(wrong)


@pytest.mark.parametrize(("kind", "rate"), [(0x10, 8000), (0x12, 16_000), (0x18, 192_000), (0x03, None), (0xFF, None)])
def test_audio_has_its_rate_and_other_frames_have_none(kind: int, rate: int | None) -> None:
    assert rate_hz(Frame(kind, b"5")) == rate


@pytest.mark.parametrize("kind", [0x00, 0x02, 0x0F, 0x19, 0x47])
def test_what_nobody_knows_is_no_frame(kind: int) -> None:
    with pytest.raises(WireError, match=f"{kind:#04x}"):
        rate_hz(Frame(kind, b""))
