"""Writing of a session's outcomes to Redis: events for the client, committed positions, texts for its conversation."""

import msgspec

from stt_shared.contracts.events import Event, Final, Gap, Partial, SpeakersRevised
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.process.metrics import REFUSED_WRITES, StageTimings
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership, OwnershipLost, RolledBack, WriteResult
from stt_shared.streams.sessions import Commit
from stt_transcriber.core.live.outcome import Advance, Outcome
from stt_transcriber.live.conversation import Speaker
from stt_transcriber.live.utterance_trace import UtteranceTraces
from stt_transcriber.metrics import TEXT_LAG_S, count_unrecognized


class OutcomeWriter:
    """Writer of one session's outcomes. Its methods raise OwnershipLost when the session has another owner.

    ``traces``: None unless utterances are traced.
    """

    def __init__(
        self,
        bus: Bus,
        owner: Ownership,
        speaker: Speaker,
        timings: StageTimings,
        traces: UtteranceTraces | None = None,
    ) -> None:
        self._bus = bus
        self._owner = owner
        self._speaker = speaker
        self._timings = timings
        self._traces = traces

    async def write(self, outcome: Outcome) -> None:
        """Write an outcome: its event and its committed position in one step."""
        event, commit = outcome.event, _commit_of(outcome.advance)
        if event is None:
            assert commit is not None
            _check(await self._bus.sessions.commit(self._owner, commit))
            return
        began, began_wall_ms = monotonic_ms(), wall_ms()
        if self._traces is not None and isinstance(event, Final):
            event = _traced(event, self._traces)
        # Before the commit: if this worker died after it, no other would send this final again.
        if isinstance(event, Final) and (utterance := self._speaker.utterance(event, wall_ms())):
            await self._bus.conversations.send(utterance)
        if isinstance(event, Final | SpeakersRevised) and (told := self._speaker.told(event, wall_ms())):
            await self._bus.conversations.send_speakers(told)
        if isinstance(event, SpeakersRevised) and (revised := self._speaker.revised(event)):
            await self._bus.conversations.send_revision(self._speaker.maker.tenant, revised)
        if isinstance(event, Gap) and (unrecognized := self._speaker.unrecognized(event, wall_ms())):
            await self._bus.conversations.send_unrecognized(unrecognized)
        await self.emit(event, commit)
        self._timings.add("emit", monotonic_ms() - began)
        if self._traces is not None and isinstance(event, Final):
            self._traces.told(event, began_wall_ms)
        if isinstance(event, Partial | Final):
            TEXT_LAG_S.labels("final" if isinstance(event, Final) else "partial").observe(event.lag_ms / 1000)
        if isinstance(event, Gap):
            count_unrecognized((event.to_ms - event.from_ms) / 1000)
        if isinstance(event, Partial) and (unsettled := self._speaker.unsettled(event)):
            await self._bus.conversations.publish_live(self._speaker.maker.tenant, unsettled)

    async def emit(self, event: Event, commit: Commit | None = None) -> None:
        """Write an event."""
        written, _ = await self._bus.sessions.emit(self._owner, event, commit)
        _check(written)


def _traced(final: Final, traces: UtteranceTraces) -> Final:
    traceparent = traces.traceparent(final.utterance)
    return msgspec.structs.replace(final, traceparent=traceparent) if traceparent else final


def _commit_of(advance: Advance | None) -> Commit | None:
    return None if advance is None else Commit(advance.samples, advance.seq, advance.context, advance.voices)


def _check(written: WriteResult) -> None:
    if written in (WriteResult.FENCED, WriteResult.GONE, WriteResult.HOLE):
        REFUSED_WRITES.labels(written.value).inc()
        raise RolledBack("an earlier final is missing") if written is WriteResult.HOLE else OwnershipLost(written.value)
