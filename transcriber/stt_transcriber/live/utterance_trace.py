"""Traces of a session's utterances: when the audio of each came, how long every service took, when its final was told.

The gateway and the audio-processor cannot know where an utterance begins; what they did is in the frames, so their
spans are written here, under their names.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from msgspec import UNSET

from stt_shared.contracts.events import Final
from stt_shared.contracts.frames import Frame, FrameMeta
from stt_shared.contracts.services import ServiceName
from stt_shared.process.clock import wall_ms
from stt_shared.process.tracing import Attribute, FinishedSpan, trace_id_of, tracer
from stt_shared.streams.ownership import Ownership
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS, Ticket
from stt_transcriber.decode.pool import Decoded

_log = structlog.get_logger()

MAX_FRAMES = 2048
"""More than the longest utterance has."""
MAX_DECODES = 256


@dataclass(frozen=True)
class HeardFrame:
    """A frame with the audio from ``start_ms`` to ``end_ms`` of the session.

    ``arrived_ms``, ``heard_ms``: when it reached the transcriber, and when that was done with it (wall clock).
    """

    start_ms: float
    end_ms: float
    arrived_ms: float
    heard_ms: float
    meta: FrameMeta


@dataclass(frozen=True)
class RanDecode:
    """A decode of the audio from ``start_ms`` to ``end_ms`` of the session; it ended at ``ended_ms`` (wall clock)."""

    kind: str
    channel: int | None
    start_ms: float
    end_ms: float
    ended_ms: float
    waited_ms: float
    took_ms: float


class UtteranceTraces:
    """Traces of one session. An utterance has the same one whoever owns the session when it ends."""

    def __init__(self, owner: Ownership, replica_id: str) -> None:
        self._epoch = owner.epoch
        self._session_id = owner.keys.id
        self._replica_id = replica_id
        self._frames: deque[HeardFrame] = deque(maxlen=MAX_FRAMES)
        self._decodes: deque[RanDecode] = deque(maxlen=MAX_DECODES)
        self._ticket: Ticket | None = None

    def traceparent(self, utterance: int) -> str:
        """Return the root of an utterance's trace; '' if it is not sampled."""
        return tracer().trace_of(f"{self._epoch} {utterance}")

    def heard(self, frame: Frame, arrived_ms: float) -> None:
        """Note a frame of audio that has been processed."""
        n_samples = len(frame.data) // (2 * max(1, len(frame.meta.channels)))
        start = frame.meta.start_sample
        start_ms, end_ms = start / SAMPLES_PER_MS, (start + n_samples) / SAMPLES_PER_MS
        self._frames.append(HeardFrame(start_ms, end_ms, arrived_ms, wall_ms(), frame.meta))

    def began(self, ticket: Ticket) -> None:
        """Note a decode that begins."""
        self._ticket = ticket

    def ended(self, decoded: Decoded) -> None:
        """Note the end of the decode that has begun."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            start_ms, end_ms = ticket.begin / SAMPLES_PER_MS, ticket.end / SAMPLES_PER_MS
            times = wall_ms(), decoded.waited_ms, decoded.took_ms
            self._decodes.append(RanDecode(ticket.kind.name.lower(), ticket.channel, start_ms, end_ms, *times))

    def told(self, final: Final, began_ms: float) -> None:
        """Record the trace of a final that was written from ``began_ms`` (wall clock) until now."""
        if not final.traceparent:
            return
        span = utterance_span(final, self._frames, self._decodes, began_ms, wall_ms(), self._replica_id)
        about: dict[str, Attribute] = {"session_id": self._session_id, "utterance": final.utterance}
        tracer().record_root(replace(span, attributes={**about, **span.attributes}), final.traceparent)
        _log.info("utterance traced", **about, trace_id=trace_id_of(final.traceparent))


def utterance_span(
    final: Final,
    frames: Sequence[HeardFrame],
    decodes: Sequence[RanDecode],
    emit_ms: float,
    told_ms: float,
    replica_id: str,
) -> FinishedSpan:
    """Return the trace of an utterance whose final was written from ``emit_ms`` to ``told_ms`` (wall clock).

    ``frames`` and ``decodes``: of the session, in order; those of other utterances do not count.
    """
    own = [frame for frame in frames if frame.end_ms > final.start_ms and frame.start_ms < final.committed_ms]
    channel = None if final.channel is UNSET else final.channel
    ran = [
        decode
        for decode in decodes
        if decode.end_ms > final.start_ms and decode.start_ms < final.committed_ms and decode.channel == channel
    ]
    emit = FinishedSpan("emit", ServiceName.TRANSCRIBER, emit_ms, told_ms)
    infer = [_infer(decode) for decode in ran]
    if not own:
        return FinishedSpan("utterance", ServiceName.GATEWAY, emit_ms, told_ms, children=[*infer, emit])
    first, last = own[0], own[-1]
    metas = [frame.meta for frame in own]
    received_ms = min(meta.received_ms for meta in metas)
    receive = FinishedSpan("receive", ServiceName.GATEWAY, received_ms, last.meta.received_ms, {"frames": len(own)})
    decode = FinishedSpan(
        "decode",
        ServiceName.AUDIO_PROCESSOR,
        first.meta.received_ms + first.meta.queue_ms,
        last.meta.sent_ms,
        {
            "queue_max_ms": max(meta.queue_ms for meta in metas),
            "decode_max_ms": max(meta.decode_ms for meta in metas),
        },
    )
    hear = FinishedSpan("vad", ServiceName.TRANSCRIBER, first.arrived_ms, last.heard_ms)
    transcribe = FinishedSpan(
        "transcribe",
        ServiceName.TRANSCRIBER,
        first.arrived_ms,
        told_ms,
        {"replica": replica_id, "decodes": len(ran)},
        [hear, *infer, emit],
    )
    attributes = {"audio_ms": final.committed_ms - final.start_ms, "lag_ms": final.lag_ms}
    return FinishedSpan(
        "utterance", ServiceName.GATEWAY, received_ms, told_ms, attributes, [receive, decode, transcribe]
    )


def _infer(decode: RanDecode) -> FinishedSpan:
    figures: dict[str, Attribute] = {"kind": decode.kind, "waited_ms": decode.waited_ms}
    return FinishedSpan("infer", ServiceName.TRANSCRIBER, decode.ended_ms - decode.took_ms, decode.ended_ms, figures)
