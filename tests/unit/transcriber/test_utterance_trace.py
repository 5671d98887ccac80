"""The trace of an utterance holds the frames and decodes of its own audio, and no others."""

from collections.abc import Iterator

import pytest

from stt_shared.contracts.events import Final
from stt_shared.contracts.frames import FrameMeta
from stt_shared.contracts.services import ServiceName
from stt_shared.process.tracing import FinishedSpan
from stt_transcriber.live.utterance_trace import HeardFrame, RanDecode, utterance_span

pytestmark = pytest.mark.unit

NOW_MS = 1_700_000_000_000.0
"""When the session's audio began."""


def frame(start_ms: int, *, late_ms: float = 0.0) -> HeardFrame:
    received = NOW_MS + start_ms + 100
    meta = FrameMeta(received, 16 * start_ms, queue_ms=1 + late_ms, decode_ms=2.0, sent_ms=received + 4 + late_ms)
    return HeardFrame(start_ms, start_ms + 100, received + 5 + late_ms, received + 6 + late_ms, meta)


FRAMES = [frame(at, late_ms=30.0 if at == 1500 else 0.0) for at in range(0, 5000, 100)]


def final(channel: int | None = None) -> Final:
    given = {} if channel is None else {"channel": channel}
    return Final(
        session_id="s", text="secret", confidence=1, timestamp="", utterance=1, start_ms=1000, end_ms=1900,
        language="en", words=[], lag_ms=40, committed_ms=2400, **given,
    )  # fmt: skip


def decode(kind: str, start_ms: int, end_ms: int, channel: int | None = None) -> RanDecode:
    return RanDecode(kind, channel, start_ms, end_ms, NOW_MS + end_ms + 200, 7.0, 50.0)


def spans(span: FinishedSpan) -> Iterator[FinishedSpan]:
    yield span
    for child in span.children:
        yield from spans(child)


def named(span: FinishedSpan, name: str) -> list[FinishedSpan]:
    return [found for found in spans(span) if found.name == name]


def test_the_spans_cover_the_utterances_own_audio() -> None:
    decodes = [
        decode("final", 0, 900),
        decode("first", 700, 1300),
        decode("final", 700, 2400),
        decode("first", 2500, 2900),
    ]
    root = utterance_span(final(), FRAMES, decodes, NOW_MS + 2650, NOW_MS + 2660, "t1")
    assert (root.service, root.start_ms, root.end_ms) == (ServiceName.GATEWAY, NOW_MS + 1100, NOW_MS + 2660)
    (receive,), (processed,), (transcribe,) = (named(root, name) for name in ("receive", "decode", "transcribe"))
    assert (receive.start_ms, receive.end_ms, receive.attributes) == (NOW_MS + 1100, NOW_MS + 2400, {"frames": 14})
    assert (processed.start_ms, processed.end_ms) == (NOW_MS + 1101, NOW_MS + 2404)
    assert processed.attributes == {"queue_max_ms": 31.0, "decode_max_ms": 2.0}
    assert transcribe.attributes == {"replica": "t1", "decodes": 2}
    inferred = [(span.attributes["kind"], span.start_ms) for span in named(root, "infer")]
    assert inferred == [("first", NOW_MS + 1450), ("final", NOW_MS + 2550)]
    assert "secret" not in repr(root)


def test_decodes_of_another_channel_are_not_its_own() -> None:
    decodes = [decode("final", 1000, 2000, channel=0), decode("first", 1000, 2000, channel=1)]
    root = utterance_span(final(channel=1), FRAMES, decodes, NOW_MS, NOW_MS, "t1")
    assert [span.attributes["kind"] for span in named(root, "infer")] == ["first"]


def test_an_utterance_whose_frames_are_gone_has_what_is_left() -> None:
    root = utterance_span(final(), [], [], NOW_MS, NOW_MS + 1, "t1")
    assert [span.name for span in spans(root)] == ["utterance", "emit"]
