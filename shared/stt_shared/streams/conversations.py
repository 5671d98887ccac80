"""Conversations in Redis: a log and channel of settled utterances, and a channel of utterances in progress."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from stt_shared.contracts.conversation import (
    LiveUtterance,
    RevisedSpeakers,
    Said,
    SpeakersTold,
    UnrecognizedSpeech,
    Utterance,
    said_from,
    without_place,
)
from stt_shared.contracts.session import encode_json
from stt_shared.redis.channels import ChannelHub, InboxSource
from stt_shared.redis.pipeline import Pipeline
from stt_shared.streams import keys
from stt_shared.streams.reader import LogReader
from stt_shared.streams.scripts import script
from stt_shared.streams.transcripts import TranscriptQueue

MAX_KEPT = 5000
"""Approximate number of entries that a viewer can catch up on; older ones are in the store."""
_PAGE = 256
_OVERTAKEN_MS = 60_000
"""Delay by which an utterance may follow one that ended later; longer than any speaker's transcription lag."""


class ConversationStreams:
    """State and logs of conversations. All writes may be repeated."""

    def __init__(self, pipeline: Pipeline, channels: ChannelHub, transcripts: TranscriptQueue) -> None:
        self._pipeline = pipeline
        self._channels = channels
        self._transcripts = transcripts
        self._say = script("say")

    async def send(self, utterance: Utterance) -> None:
        """Send an utterance to the store at least once, then to its conversation, if it has one, exactly once."""
        await self._transcripts.put("utterance", encode_json(utterance))
        if utterance.conversation_id is None:
            return
        at = keys.conversation_keys(utterance.maker.tenant, utterance.conversation_id)
        await self._append(at, at.newest_of(utterance.instance), utterance.utterance, utterance)

    async def send_unrecognized(self, speech: UnrecognizedSpeech) -> None:
        """Send speech without a text to the store at least once."""
        await self._transcripts.put("unrecognized", encode_json(speech))

    async def send_speakers(self, told: SpeakersTold) -> None:
        """Send the speakers of utterances to the store at least once."""
        await self._transcripts.put("speakers", encode_json(told))

    async def send_revision(self, tenant: str, revised: RevisedSpeakers) -> None:
        """Send other speakers of earlier utterances to their conversation, exactly once."""
        at = keys.conversation_keys(tenant, revised.conversation_id)
        await self._append(at, at.newest_revision_of(revised.instance), revised.as_of, revised)

    async def _append(self, at: keys.ConversationKeys, newest: str, number: int, said: Said) -> None:
        """Append to a conversation what its session says under a number that is above the one in ``newest``."""
        await self._pipeline.call(
            self._say,
            [at.state, at.log, at.channel, newest],
            [
                number,
                without_place(said),
                uuid.uuid4().hex,
                keys.CONVERSATION_TTL_S,
                MAX_KEPT,
                self._channels.publish_command,
            ],
        )

    async def publish_live(self, tenant: str, unsettled: LiveUtterance) -> None:
        """Publish an utterance in progress to the viewers that are connected at this moment."""
        channel = keys.conversation_keys(tenant, unsettled.conversation_id).unsettled
        await self._channels.publish(channel, encode_json(unsettled))

    def read(self, tenant: str, conversation_id: str, position: int, channels: InboxSource) -> LogReader[Said]:
        """Return a reader of what is said after ``position``; the oldest may have been trimmed.

        ``channels``: where to listen for the conversation's channel.
        """

        def from_message(payload: bytes) -> tuple[int, Said]:
            said = said_from(payload)
            return said.seq, said

        def from_entry(_: int, fields: Mapping[bytes, bytes]) -> Said:
            return said_from(fields[b"event"])

        return LogReader(
            self._pipeline,
            channels,
            keys.conversation_keys(tenant, conversation_id).channel,
            position,
            from_message=from_message,
            from_entry=from_entry,
            allow_holes=True,
        )

    async def epoch(self, tenant: str, conversation_id: str) -> str:
        """Return the conversation's epoch, '' before its first utterance.

        It changes when the keys expire or are lost.
        """
        epoch: bytes | None = await self._pipeline.command(
            "HGET", keys.conversation_keys(tenant, conversation_id).state, "epoch"
        )
        return epoch.decode() if epoch else ""

    async def seq_before(self, tenant: str, conversation_id: str, spoken_since_ms: float) -> int:
        """Return the position before the first utterance that ended at ``spoken_since_ms`` (wall clock) or later."""
        newest = "+"
        position: int | None = None
        while True:
            entries = await self._newest(tenant, conversation_id, newest, 64)
            for seq, utterance in entries:
                if position is None:
                    position = seq
                if isinstance(utterance, RevisedSpeakers):
                    continue  # it is of utterances before it
                if utterance.ended_ms >= spoken_since_ms:
                    position = seq - 1
                elif utterance.ended_ms < spoken_since_ms - _OVERTAKEN_MS:
                    return position
            if len(entries) < 64:
                return position or 0
            newest = f"({entries[-1][0]}-0"

    async def newest(self, tenant: str, conversation_id: str, count: int) -> list[Utterance]:
        """Return the utterances among the newest ``count`` entries, newest first, with their revised speakers."""
        revised: dict[tuple[str, int], str | None] = {}
        found = []
        for _, said in await self._newest(tenant, conversation_id, "+", count):
            if isinstance(said, RevisedSpeakers):
                revised = {(said.instance, one.utterance): one.speaker for one in said.utterances} | revised
            else:
                speaker = revised.get((said.instance, said.utterance), said.speaker)
                found.append(msgspec.structs.replace(said, speaker=speaker))
        return found

    async def delete_utterances(self, tenant: str, conversation_id: str, is_deleted: Callable[[Said], bool]) -> None:
        """Delete what is said from the log with which viewers of the conversation catch up. May be repeated."""
        log = keys.conversation_keys(tenant, conversation_id).log
        first = "-"
        while True:
            entries: Any = await self._pipeline.command("XRANGE", log, first, "+", "COUNT", _PAGE)
            for entry_id, row in entries:
                if is_deleted(said_from(row[1])):
                    await self._pipeline.command("XDEL", log, entry_id)
            if len(entries) < _PAGE:
                return
            first = f"({entries[-1][0].decode()}"

    async def delete(self, tenant: str, conversation_id: str) -> None:
        """Delete a conversation. May be repeated; the log, which names the sessions that spoke in it, goes last."""
        at = keys.conversation_keys(tenant, conversation_id)
        instances: set[str] = set()
        first = "-"
        while True:
            entries: Any = await self._pipeline.command("XRANGE", at.log, first, "+", "COUNT", _PAGE)
            instances.update(said_from(row[1]).instance for _, row in entries)
            if len(entries) < _PAGE:
                break
            first = f"({entries[-1][0].decode()}"
        newest = [key for one in sorted(instances) for key in (at.newest_of(one), at.newest_revision_of(one))]
        for key in (*newest, at.state, at.log):
            await self._pipeline.command("UNLINK", key)

    async def newest_message(self, channel: str) -> bytes | None:
        """Return the newest entry of a channel's log, as it was published; None when the log is empty."""
        entries: Any = await self._pipeline.command("XREVRANGE", f"{channel}:log", "+", "-", "COUNT", 1)
        return entries[0][1][1] if entries else None

    async def _newest(self, tenant: str, conversation_id: str, last: str, count: int) -> list[tuple[int, Said]]:
        log = keys.conversation_keys(tenant, conversation_id).log
        entries: Any = await self._pipeline.command("XREVRANGE", log, last, "-", "COUNT", count)
        # An entry's only field is "event".
        return [(int(entry_id.partition(b"-")[0]), said_from(row[1])) for entry_id, row in entries]
