"""Turns of a client of OpenAI's Realtime API: which audio becomes which item, and when the item's text is complete.

An item is a stretch of audio. With voice activity detection it is one stretch of speech; otherwise it ends where the
client commits. A session has utterances, so an item's text may come in several finals.

What a client commits or clears ends where ``finalize`` says so: the answer to it (``marked``) stands
among the events exactly where those of later audio begin.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from stt_gateway.core.openai.formats import logprobs
from stt_gateway.core.openai.realtime.events import Event, EventBuilder
from stt_gateway.core.openai.realtime.segments import segments
from stt_gateway.core.openai.realtime.transcript import Transcript
from stt_shared.contracts.events import Final

_TOLERANCE_MS = 50
"""By how much the server's position after resampling may differ from the client's; commits are 100 ms apart."""
_MAX_CLEARED = 64
"""Stretches of cleared audio that may still get finals: more than a session decodes in a row."""


@dataclass
class TurnOptions:
    """Options that a client may change at any time.

    ``detects``: voice ends items, with a silence of at most ``silence_ms``. ``padding_ms``: how long before the voice
    an item begins.
    """

    detects: bool = True
    silence_ms: int = 500
    padding_ms: int = 300
    has_logprobs: bool = False


class _Mark(Enum):
    COMMIT = auto()
    CLEAR = auto()


@dataclass
class _Item:
    id: str
    start_ms: int
    end_ms: int | None = None
    settles_ms: int | None = None  # the position up to which audio must be settled; None: not known yet
    is_committed: bool = False
    segments: int = 0
    transcript: Transcript = field(default_factory=Transcript)


@dataclass(frozen=True)
class _Pending:
    """A mark that the session has not come to. ``last_id``: the item that was committed last when it was made."""

    mark: _Mark
    position_ms: int
    item: _Item | None = None
    last_id: str | None = None


class Turns:
    """Turns of one connection. Positions are milliseconds of the session's audio; each method returns what to send."""

    def __init__(self, builder: EventBuilder, options: TurnOptions) -> None:
        self._builder = builder
        self.options = options
        self._items: deque[_Item] = deque()  # those without their whole text, in order; only the last may be open
        self._pending: deque[_Pending] = deque()
        self._last_id: str | None = None
        self._boundary_ms = 0
        self._passed_ms = 0  # the end of the last item or of what was cleared, where the session put it
        self._cleared: deque[tuple[int, int]] = deque(maxlen=_MAX_CLEARED)
        self._ended_ms = 0
        self._settled_ms = 0

    def commit(self, position_ms: int) -> list[Event]:
        """Commit the audio so far; the session must be told to end the utterance, and a mark."""
        if self.options.detects:
            # It is answered by the item that it ends, or else by one of its own.
            self._pending.append(_Pending(_Mark.COMMIT, position_ms, last_id=self._last_id))
            return []
        item = self._open_item() or self._begin(self._boundary_ms)
        item.end_ms = position_ms
        self._boundary_ms = position_ms
        self._pending.append(_Pending(_Mark.COMMIT, position_ms, item))
        return self._committed(item)

    def clear(self, position_ms: int) -> list[Event]:
        """Forget the audio that is in no item yet; the session must be told in the same way as for ``commit``."""
        # What was committed before ends where the session is told so.
        if self._open_item() and not any(pending.mark is _Mark.COMMIT for pending in self._pending):
            self._items.pop()
        self._boundary_ms = position_ms
        self._pending.append(_Pending(_Mark.CLEAR, position_ms))
        return []

    def marked(self, position_ms: int) -> list[Event]:
        """Take the answer to a mark. One that comes again, after a takeover, changes nothing."""
        if not self._pending or position_ms < self._pending[0].position_ms - _TOLERANCE_MS:
            return []
        pending = self._pending.popleft()
        passed_ms, self._passed_ms = self._passed_ms, position_ms
        if pending.mark is _Mark.CLEAR:
            self._cleared.append((passed_ms, position_ms))
            return []
        item, sent = pending.item, list[Event]()
        self._boundary_ms, start_ms = max(self._boundary_ms, position_ms), self._boundary_ms
        if item is None:
            if self._last_id != pending.last_id and position_ms - passed_ms < self.options.silence_ms:
                return []
            item = self._open_item() or self._begin(start_ms)
            sent = self._committed(item)
        item.end_ms, item.settles_ms = position_ms, self._ended_ms
        return [*sent, *self._completed()]

    def speech_started(self, start_ms: int) -> list[Event]:
        """Begin an item, unless the same was told before, by a transcriber that died."""
        if not self.options.detects or self._is_clearing or self._open_item() or start_ms < self._ended_ms:
            return []
        item = self._begin(max(self._boundary_ms, start_ms - self.options.padding_ms))
        return [self._builder.event("input_audio_buffer.speech_started", audio_start_ms=item.start_ms, item_id=item.id)]

    def speech_ended(self, end_ms: int) -> list[Event]:
        """End the item that voice has begun."""
        self._ended_ms = max(self._ended_ms, end_ms)
        item = self._open_item()
        if not self.options.detects or item is None:
            return []
        item.end_ms = item.settles_ms = self._boundary_ms = self._passed_ms = end_ms
        stopped = self._builder.event("input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=item.id)
        return [stopped, *self._committed(item), *self._completed()]

    def partial(self, start_ms: int, stable: str) -> list[Event]:
        """Tell the words that are stable. ``start_ms``: of the utterance, before which all is settled."""
        sent = self.settled(start_ms)
        item = self._item_of(start_ms)
        return sent if item is None else [*sent, *self._delta(item, item.transcript.grow(stable))]

    def retracted(self, start_ms: int, end_ms: int) -> list[Event]:
        """Settle an utterance that turned out to hold no words."""
        sent = self.settled(start_ms)
        if item := self._item_of(start_ms):
            item.transcript.retract()
        return [*sent, *self.settled(end_ms)]

    def final(self, final: Final) -> list[Event]:
        """Tell the rest of an utterance, and complete the item if nothing follows in it."""
        # An item before this utterance has no words.
        sent = self.settled(final.start_ms)
        item = self._item_of(final.start_ms)
        if item is not None:
            delta = item.transcript.end(final.text, final.words, final.language)
            sent += self._delta(item, delta)
            for segment in segments(final):
                item.segments += 1
                sent.append(self._builder.transcription("segment", item.id, id=f"seg_{item.segments}", **segment))
        return sent + self.settled(final.committed_ms)

    def settled(self, position_ms: int) -> list[Event]:
        """Complete the items for which no more text can come."""
        self._settled_ms = max(self._settled_ms, position_ms)
        return self._completed()

    def end(self) -> list[Event]:
        """Complete all items: the session is over."""
        sent: list[Event] = []
        if (item := self._open_item()) and not item.transcript.is_empty:
            item.end_ms = max(item.start_ms, self._settled_ms)
            sent += self._committed(item)
        for item in self._items:
            item.settles_ms = 0
        return sent + self._completed()

    @property
    def _is_clearing(self) -> bool:
        """Whether what the session hears now was cleared."""
        return bool(self._pending) and self._pending[0].mark is _Mark.CLEAR

    def _open_item(self) -> _Item | None:
        return self._items[-1] if self._items and not self._items[-1].is_committed else None

    def _begin(self, start_ms: int) -> _Item:
        item = _Item(self._builder.new_item_id(), start_ms)
        self._items.append(item)
        return item

    def _item_of(self, start_ms: int) -> _Item | None:
        """Return the item that an utterance belongs to; None if its audio was cleared."""
        if any(begin <= start_ms < end for begin, end in self._cleared):
            return None
        for item in self._items:
            if item.settles_ms is None:
                return None if self._is_clearing else item
            if start_ms < (item.end_ms or 0):
                return item
        return None if self._is_clearing or self.options.detects else self._begin(self._boundary_ms)

    def _committed(self, item: _Item) -> list[Event]:
        item.is_committed = True
        previous, self._last_id = self._last_id, item.id
        return self._builder.committed(item.id, previous)

    def _completed(self) -> list[Event]:
        sent = []
        while (
            self._items
            and self._items[0].is_committed
            and self._items[0].settles_ms is not None
            and self._items[0].settles_ms <= self._settled_ms
        ):
            sent.append(self._completion(self._items.popleft()))
        return sent

    def _completion(self, item: _Item) -> Event:
        transcript = item.transcript
        text = transcript.text
        more = {"logprobs": logprobs(text, transcript.words)} if self.options.has_logprobs else {}
        seconds = max(0, (item.end_ms or item.start_ms) - item.start_ms) / 1000
        return self._builder.transcription(
            "completed",
            item.id,
            transcript=text,
            languages=[{"code": code} for code in transcript.languages],
            **more,
            usage={"type": "duration", "seconds": seconds},
        )

    def _delta(self, item: _Item, delta: str) -> list[Event]:
        return [self._builder.transcription("delta", item.id, delta=delta)] if delta else []
