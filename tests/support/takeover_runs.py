"""A live session whose worker is killed at any write, with a model of any speed, without Redis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.events import Event, Final, Partial, RevisedUtterance, SpeakersRevised
from stt_shared.contracts.frames import Frame
from stt_shared.contracts.session import SessionConfig, TakeoverState
from stt_shared.contracts.speakers import KnownVoice
from stt_transcriber.core.audio.vad_stream import VadModel
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, TurnRequest
from stt_transcriber.core.live.channels import ChannelSessions
from stt_transcriber.core.live.outcome import Advance, Outcome
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.core.live.start import live_session
from stt_transcriber.core.live.utterance import Ticket

Draw = np.random.Generator
_json = msgspec.json.Decoder(TakeoverState)


@dataclass(frozen=True)
class Case:
    """What is played, to whom. ``voice`` makes a voice model that remembers nothing yet."""

    config: SessionConfig
    policy: LivePolicy
    frames: list[Frame]
    voice: Callable[[], VadModel]
    decode: Callable[[DecodeRequest], Hypothesis]
    judge: Callable[[NDArray[np.float32]], float] | None = None
    known: Sequence[KnownVoice] = ()


@dataclass
class Kept:
    """What the log and the session's hash hold."""

    committed: Advance = field(default_factory=lambda: Advance(0, 0, TakeoverState()))
    events: list[Event] = field(default_factory=list)

    def write(self, outcome: Outcome) -> None:
        if outcome.event is not None:
            self.events.append(outcome.event)
        if (advance := outcome.advance) is not None:
            assert advance.samples % 16 == 0, "an exact millisecond"
            assert advance.samples >= self.committed.samples
            assert advance.seq >= self.committed.seq
            stored = _json.decode(msgspec.json.encode(advance.context))
            assert stored == advance.context
            voices = advance.voices or self.committed.voices
            self.committed = replace(advance, context=stored, voices=voices)

    @property
    def finals(self) -> list[Final]:
        return [event for event in self.events if isinstance(event, Final)]

    @property
    def showing(self) -> set[int | None]:
        said = {channel_of(event): event for event in self.events if isinstance(event, Partial | Final)}
        return {channel for channel, event in said.items() if isinstance(event, Partial)}

    def comparable(self) -> list[dict[str, Any]]:
        """Finals, but for what is the clock's."""
        return [
            {
                "utterance": final.utterance,
                "channel": channel_of(final),
                "text": final.text,
                "start_ms": final.start_ms,
                "end_ms": final.end_ms,
                "language": final.language,
                "confidence": final.confidence,
                "speaker": (final.speaker, final.speaker_confidence, final.turns),
                "words": [msgspec.structs.astuple(word) for word in final.words],
            }
            for final in self.finals
        ]

    def revisions(self) -> list[list[RevisedUtterance]]:
        """What was said of the speakers of earlier finals."""
        return [event.utterances for event in self.events if isinstance(event, SpeakersRevised)]


def channel_of(event: Event) -> int | None:
    """The channel of an event that has one where channels are kept apart."""
    channel = getattr(event, "channel", msgspec.UNSET)
    return None if channel is msgspec.UNSET else channel


Stored = Callable[[Advance], Advance]
"""What a successor finds of what was stored."""


def all_of_it(at: Advance) -> Advance:
    return at


def cold(at: Advance) -> Advance:
    """As if the voice model's and the gate's state were not stored."""
    return replace(at, context=msgspec.structs.replace(at.context, hearing=None))


def answer(case: Case, session: LiveSession | ChannelSessions, ticket: Ticket) -> None:
    """What the models say to this."""
    if isinstance(ticket.request, TurnRequest):
        assert case.judge is not None
        session.judge(case.judge(ticket.request.samples), 0)
    else:
        session.apply(case.decode(ticket.request), 0)


def run(case: Case, kept: Kept, draw: Draw, *, writes: int | None = None, stored: Stored = all_of_it) -> bool:
    """One worker, from what is stored to `done`, or until it is killed after this many writes. True when it is done."""
    at = stored(kept.committed)
    session = live_session(
        "s", case.config, case.policy, case.voice, committed=at, finals=len(kept.finals), showing=kept.showing
    )
    if session.telling and case.known:
        session.telling.know(case.known)
    ahead = draw.choice([0.05, 0.5, 0.95])  # how fast frames come, compared with the model
    frames = iter(case.frames[at.seq :])
    ticket: Ticket | None = None
    over = False
    while not session.finished:
        if not over and draw.random() < ahead:
            frame = next(frames, None)
            over = frame is None
            if frame is not None:
                session.feed(frame, 0)
        elif ticket is None:
            session.speculates = draw.random() < 0.7
            ticket = session.begin()
        else:
            answer(case, session, ticket)
            ticket = None
        for outcome in session.take_outcomes():
            if writes == 0:
                return False
            kept.write(outcome)
            writes = None if writes is None else writes - 1
    return True


def killed_often(case: Case, draw: Draw, stored: Stored = all_of_it, *, most_writes: int = 15) -> tuple[Kept, int]:
    """Each worker dies after some writes, in any place between two of them; the next goes on from what is stored."""
    kept, kills = Kept(), 0
    while not run(case, kept, draw, writes=int(draw.integers(0, most_writes)), stored=stored):
        kills += 1
        assert kills < 500
    return kept, kills
