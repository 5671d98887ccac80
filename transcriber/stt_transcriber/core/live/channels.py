"""Live session whose channels are kept apart: each is heard by itself, and all of them say one sequence of events.

    frames ─┬▶ LiveSession of channel 0 ─┬─ partials, speech events: as they come, with their channel
            └▶ LiveSession of channel 1 ─┘
                                         └─ finals: numbered in the order in which their utterances end

A final waits while another channel may still have one that ends earlier. What may come is known from the audio, so the
numbers depend on the audio alone, like the texts (docs/adr/0017-channels-of-a-live-session.md).
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from stt_shared.contracts import events as wire
from stt_shared.contracts.events import Done, StageTiming, iso_timestamp
from stt_shared.contracts.frames import Frame, FrameKind, StreamError
from stt_shared.contracts.session import SessionConfig
from stt_shared.contracts.text import join_texts
from stt_transcriber.core.audio.vad_stream import VadModel
from stt_transcriber.core.decoding import Hypothesis
from stt_transcriber.core.live.channel_state import context_of, stored_of
from stt_transcriber.core.live.outcome import Advance, Outcome
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.core.live.telling import Telling
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS, Ticket
from stt_transcriber.core.schedule.scheduler import Kind

_OF_A_CHANNEL = (wire.Partial, wire.Final, wire.SpeechStarted, wire.SpeechEnded, wire.TurnEnded, wire.Gap)


@dataclass
class _Channel:
    """``committed``: what is stored of it. ``waiting``: outcomes that are not published.

    ``drafted``: number of the session's draft that was its last.
    """

    number: int
    session: LiveSession
    committed: Advance
    waiting: deque[Outcome] = field(default_factory=deque)
    drafted: int = 0

    @property
    def earliest_end(self) -> float:
        """Least end of an utterance whose final is not published, as far as it is known."""
        ends = (outcome.utterance_end for outcome in self.waiting if outcome.utterance_end is not None)
        return next(ends, self.session.earliest_end)


class ChannelSessions:
    """Live sessions of the channels of one session, with the interface of ``LiveSession``.

    At most one decode is in progress at a time, of any channel.
    """

    def __init__(
        self,
        session_id: str,
        config: SessionConfig,
        policy: LivePolicy,
        new_model: Callable[[], VadModel],
        *,
        committed: Advance,
        finals: int,
        showing: Collection[int | None],
        telling: Telling | None = None,
    ) -> None:
        """Start a session, or continue it from what was stored with its last commit; see ``live_session``."""
        self._channels = [
            _Channel(
                number,
                LiveSession(
                    session_id,
                    config,
                    policy,
                    new_model(),
                    committed_samples=at.samples,
                    committed_seq=at.seq,
                    context=at.context,
                    showing=number in showing,
                ),
                at,
            )
            for number, at in zip(config.channels_apart, stored_of(committed, len(config.channels_apart)), strict=True)
        ]
        # Frames up to here are in what a channel has committed, although another one still needs them.
        self._read_from = [channel.committed.seq for channel in self._channels]
        self._policy = policy
        self._stored = self._position
        self._finals = finals
        self._texts: list[str] = []
        self._passed: dict[int, int] = {}  # position of a `finalize` in ms -> channels that have passed it
        self._outcomes: list[Outcome] = []
        self._decoding: _Channel | None = None
        self._drafts = 0
        self._has_read = False
        self.telling = telling
        self.rejected: list[str] = []
        """Reasons of the guards, for the metrics."""
        for channel in self._channels:
            channel.session.rejected = self.rejected

    @property
    def finished(self) -> bool:
        """Whether `stop` was read and every utterance before it is settled."""
        return all(channel.session.finished and not channel.waiting for channel in self._channels)

    @property
    def stop_error(self) -> StreamError | None:
        """Reason why the audio ended if an earlier stage failed; None otherwise."""
        return self._channels[0].session.stop_error

    @property
    def speaking(self) -> bool:
        """Whether an utterance of any channel is open or waits for its final."""
        return any(channel.session.speaking for channel in self._channels)

    @property
    def has_just_begun(self) -> bool:
        """Whether the utterance whose decode is due has hardly a word yet."""
        due = self._due()
        return due is not None and due[1].session.has_just_begun

    @property
    def speculates(self) -> bool:
        """Whether finals are decoded while the pause may still turn out not to be the end."""
        return self._channels[0].session.speculates

    @speculates.setter
    def speculates(self, value: bool) -> None:
        for channel in self._channels:
            channel.session.speculates = value

    def feed(self, frame: Frame, now_wall_ms: float) -> None:
        """Process the next frame of the PCM log."""
        if not self._has_read:
            # The previous owner may have died before it told what its last final has shown.
            self._revise_speakers(iso_timestamp(now_wall_ms))
        self._has_read = True
        for channel, read_from, part in zip(self._channels, self._read_from, self._parts(frame), strict=True):
            if frame.seq > read_from:
                channel.session.feed(part, now_wall_ms)
        self._publish()

    def due_decode(self) -> Kind | None:
        """Return the decode that is due; None if there is none or a decode is in progress."""
        due = None if self._decoding is not None else self._due()
        return None if due is None else due[0]

    def begin(self) -> Ticket | None:
        """Start the due decode; None: nothing is due any more."""
        due = None if self._decoding is not None else self._due()
        if due is None:
            return None
        kind, channel = due
        if kind in (Kind.FIRST, Kind.PARTIAL):
            self._drafts += 1
            channel.drafted = self._drafts
        self._decoding = channel
        ticket = channel.session.begin()
        return ticket and replace(ticket, channel=channel.number)

    def apply(self, hypothesis: Hypothesis, now_wall_ms: float) -> None:
        """Apply the hypothesis of the decode in progress."""
        self._end_decode().apply(hypothesis, now_wall_ms)
        self._publish()

    def judge(self, probability: float | None, now_wall_ms: float) -> None:
        """Apply the turn model's answer; see ``LiveSession.judge``."""
        self._end_decode().judge(probability, now_wall_ms)
        self._publish()

    def fail(self, now_wall_ms: float) -> None:
        """Handle the failure of the decode; see ``LiveSession.fail``."""
        self._end_decode().fail(now_wall_ms)
        self._publish()

    def take_outcomes(self) -> list[Outcome]:
        """Return the outcomes since the last call, in order."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def done(self, timings_ms: dict[str, StageTiming]) -> Done:
        """Build the answer to `stop`."""
        done = self._channels[0].session.done(timings_ms)
        return msgspec.structs.replace(done, text=join_texts(self._texts), finals=self._finals)

    def _parts(self, frame: Frame) -> list[Frame]:
        """Return the frame as each channel receives it."""
        n_channels = len(self._channels)
        if frame.kind is not FrameKind.AUDIO:
            return [frame] * n_channels
        samples = np.frombuffer(frame.data, np.int16).reshape(-1, n_channels)
        return [msgspec.structs.replace(frame, data=samples[:, column].tobytes()) for column in range(n_channels)]

    def _due(self) -> tuple[Kind, _Channel] | None:
        """Return the most urgent decode that is due and its channel."""
        due = [(kind, channel) for channel in self._channels if (kind := channel.session.due_decode()) is not None]
        return min(due, key=_urgency, default=None)

    def _end_decode(self) -> LiveSession:
        channel, self._decoding = self._decoding, None
        assert channel is not None
        return channel.session

    def _publish(self) -> None:
        """Move to the outcomes what need not wait any longer; the order within a channel stays."""
        for channel in self._channels:
            channel.waiting.extend(channel.session.take_outcomes())
        while (ready := next(filter(self._may_publish, self._channels), None)) is not None:
            self._add(ready, ready.waiting.popleft())

    def _may_publish(self, channel: _Channel) -> bool:
        if not channel.waiting:
            return False
        end = channel.waiting[0].utterance_end
        return end is None or all(
            (other.earliest_end, other.number) > (end, channel.number)
            for other in self._channels
            if other is not channel
        )

    def _add(self, channel: _Channel, outcome: Outcome) -> None:
        event, advance = outcome.event, outcome.advance
        if advance is not None:
            channel.committed = advance
            if event is None and not self._is_worth_storing():
                return  # it is stored with what comes next
            advance = self._committed()
            self._stored = self._position
        if isinstance(event, wire.Configured) and channel is not self._channels[0]:
            return
        if isinstance(event, wire.Finalized) and not self._have_all_passed(event.at_ms):
            return
        if isinstance(event, wire.Final):
            self._texts.append(event.text)
            event = msgspec.structs.replace(event, committed_ms=self._position[0] // SAMPLES_PER_MS)
        if isinstance(event, wire.Partial | wire.Final):
            event = msgspec.structs.replace(event, utterance=self._finals + 1)
            self._finals += isinstance(event, wire.Final)
        if isinstance(event, _OF_A_CHANNEL):
            event = msgspec.structs.replace(event, channel=channel.number)
        if not isinstance(event, wire.Final) or advance is None or self.telling is None:
            self._outcomes.append(Outcome(event, advance))
            return
        final = self.telling.told(event, outcome.parts, channel.number)
        self._outcomes.append(Outcome(final, replace(advance, voices=self.telling.packed())))
        self._revise_speakers(final.timestamp)

    def _revise_speakers(self, timestamp: str) -> None:
        """Publish what the voices so far show of earlier finals."""
        if self.telling and (revision := self.telling.revision(timestamp)):
            advance = replace(self._committed(), voices=self.telling.packed())
            self._outcomes.append(Outcome(revision, advance))

    def _have_all_passed(self, at_ms: int) -> bool:
        """Note that a channel has passed a `finalize`; return whether it is the last."""
        passed = self._passed.pop(at_ms, 0) + 1
        if passed < len(self._channels):
            self._passed[at_ms] = passed
        return passed >= len(self._channels)

    @property
    def _position(self) -> tuple[int, int]:
        """Position before which no channel's audio is needed, and the last frame that none needs."""
        committed = [channel.committed for channel in self._channels]
        return min(at.samples for at in committed), min(at.seq for at in committed)

    def _is_worth_storing(self) -> bool:
        """Check whether the position has moved far enough: the channels' silences move it by turns, in small steps."""
        samples, _ = self._position
        is_step = 0 < samples - self._stored[0] < self._policy.idle_commit_ms * SAMPLES_PER_MS
        return self._position != self._stored and not is_step

    def _committed(self) -> Advance:
        return Advance(*self._position, context_of([channel.committed for channel in self._channels]))


def _urgency(due: tuple[Kind, _Channel]) -> tuple[float, ...]:
    """Order decodes: finals by the ends of their utterances, since the later ones wait; drafts by turns."""
    kind, channel = due
    is_draft = kind in (Kind.FIRST, Kind.PARTIAL)
    return kind, channel.drafted if is_draft else channel.session.earliest_end, channel.number
