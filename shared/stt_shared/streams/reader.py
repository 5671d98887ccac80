"""Readers that merge a channel and its log into one sequence: in order, without holes or duplicates.

A reader subscribes first and reads the log second, so nothing is lost between the two. Then it accepts live messages
and returns to the log whenever a number is missing, the inbox may have missed a message, or the channel was quiet.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from stt_shared.contracts.frames import Frame, frame_from_entry, frame_from_published
from stt_shared.redis.channels import InboxSource
from stt_shared.redis.pipeline import Pipeline
from stt_shared.streams.keys import StreamKeys

Item = TypeVar("Item")

QUIET_CHECK_S = 1.0
"""Time without a message after which the log is checked: no later message reveals that the last one was lost."""
_PAGE = 64


class LogHole(Exception):
    """Entries after ``position`` were trimmed before they were read."""

    def __init__(self, position: int, found: int) -> None:
        super().__init__(f"the log goes on at {found} after {position}")
        self.position = position
        self.found = found


@dataclass(frozen=True)
class RawEvent:
    """An event as the client receives it: its number and its JSON."""

    seq: int
    body: bytes


class _Numbered(msgspec.Struct):
    event: int


_decode_number = msgspec.json.Decoder(_Numbered).decode


class LogReader(Generic[Item]):
    """Reader of one log and its channel. ``position`` is the number of the last item returned.

    ``from_message`` and ``from_entry`` return None for items that are not for this reader; those are skipped. A message
    with a number but without an item announces that the item is in the log.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        channels: InboxSource,
        channel: str,
        position: int,
        *,
        from_message: Callable[[bytes], tuple[int, Item | None]],
        from_entry: Callable[[int, Mapping[bytes, bytes]], Item | None],
        allow_holes: bool,
    ) -> None:
        self._pipeline = pipeline
        self._channels = channels
        self._channel = channel
        self._from_message = from_message
        self._from_entry = from_entry
        self._allow_holes = allow_holes
        self.position = position

    async def items(self) -> AsyncIterator[Item | None]:
        """Yield items forever, and None after a quiet second so that the caller can attend to other work.

        Raises LogHole when items are permanently lost (unless holes are allowed).
        """
        async with self._channels.listen(self._channel) as inbox:
            async for item in self._logged():
                yield item
            while True:
                payload = await inbox.get(QUIET_CHECK_S)
                if payload is None:
                    before = self.position
                    async for item in self._logged():
                        yield item
                    if self.position == before:
                        yield None
                    continue
                seq, live = self._from_message(payload)
                if seq > self.position + 1 or (live is None and seq > self.position):
                    async for item in self._logged():
                        yield item
                if live is None or seq <= self.position:
                    continue
                self._advance(seq)
                yield live

    async def _logged(self) -> AsyncIterator[Item]:
        while True:
            entries: Any = await self._pipeline.command(
                "XRANGE", self._channel + ":log", f"({self.position}-0", "+", "COUNT", _PAGE
            )
            for entry_id, row in entries:
                seq = int(entry_id.partition(b"-")[0])
                self._advance(seq)
                item = self._from_entry(seq, dict(zip(row[::2], row[1::2], strict=True)))
                if item is not None:
                    yield item
            if len(entries) < _PAGE:
                return

    def _advance(self, seq: int) -> None:
        if seq > self.position + 1 and not self._allow_holes:
            raise LogHole(self.position, seq)
        self.position = seq


def audio_reader(pipeline: Pipeline, channels: InboxSource, at: StreamKeys, position: int) -> LogReader[Frame]:
    """Return a reader of the ingest frames after ``position``."""
    return _frame_reader(pipeline, channels, at.audio, position)


def pcm_reader(pipeline: Pipeline, channels: InboxSource, at: StreamKeys, position: int) -> LogReader[Frame]:
    """Return a reader of the 16 kHz frames after ``position``."""
    return _frame_reader(pipeline, channels, at.pcm, position)


def event_reader(
    pipeline: Pipeline, channels: InboxSource, at: StreamKeys, epoch: str, position: int
) -> LogReader[RawEvent]:
    """Return a reader of the events of ``epoch`` after number ``position``.

    Holes are allowed because superseded partials are deleted from the log. A session that is opened again writes under
    the same names with its own numbers; those events are skipped by their epoch.
    """
    own = b'{"epoch":"%s",' % epoch.encode()

    def event(payload: bytes) -> RawEvent | None:
        if not payload.startswith(own):
            return None
        body = b"{" + payload[len(own) :]
        return RawEvent(_decode_number(body).event, body)

    def from_message(payload: bytes) -> tuple[int, RawEvent | None]:
        found = event(payload)
        return (found.seq if found else 0), found

    def from_entry(_: int, fields: Mapping[bytes, bytes]) -> RawEvent | None:
        return event(fields[b"event"])

    return LogReader(
        pipeline, channels, at.results, position, from_message=from_message, from_entry=from_entry, allow_holes=True
    )


def _frame_reader(pipeline: Pipeline, channels: InboxSource, channel: str, position: int) -> LogReader[Frame]:
    return LogReader(
        pipeline,
        channels,
        channel,
        position,
        from_message=frame_from_published,
        from_entry=frame_from_entry,
        allow_holes=False,
    )
