"""Conversations in Redis: a log and channel of settled utterances, and a channel of utterances in progress."""

import uuid
from collections.abc import Mapping
from importlib import resources
from typing import Any

from redis.asyncio import Redis

from stt_shared.contracts.conversation import LiveUtterance, Utterance, utterance_from, without_place
from stt_shared.contracts.session import encode_json
from stt_shared.redis.channels import InboxSource
from stt_shared.redis.pipeline import LuaFunction, Pipeline
from stt_shared.streams import keys
from stt_shared.streams.reader import LogReader

MAX_KEPT = 5000
"""Approximate number of utterances that a viewer can catch up on; older ones are in the store."""
MAX_SAID_WAITING = 100_000
"""Approximate number of utterances and results that may wait for the store; beyond it the oldest are dropped."""
_OVERTAKEN_MS = 60_000
"""Delay by which an utterance may follow one that ended later; longer than any speaker's transcription lag."""


class ConversationStreams:
    """Writes to the keys of conversations; all of them may be repeated."""

    def __init__(self, client: Redis, lane: Pipeline, publish: str) -> None:
        self._client = client
        self._lane = lane
        self._publish = publish
        self._say = LuaFunction.of(resources.files("stt_shared.streams").joinpath("scripts/say.lua").read_text())

    async def send(self, utterance: Utterance) -> None:
        """Send an utterance to the store at least once, then to its conversation, if it has one, exactly once."""
        await self.queue_for_store("utterance", encode_json(utterance))
        if utterance.conversation_id is None:
            return
        at = keys.conversation_keys(utterance.conversation_id)
        await self._lane.call(
            self._say,
            [at.state, at.log, at.channel, at.newest_of(utterance.instance)],
            [
                utterance.utterance,
                without_place(utterance),
                uuid.uuid4().hex,
                keys.CONVERSATION_TTL_S,
                MAX_KEPT,
                self._publish,
            ],
        )

    async def queue_for_store(self, kind: str, body: bytes) -> None:
        """Queue an entry for the transcript store: a settled utterance, or the id of a job that has ended."""
        await self._client.xadd(
            keys.TRANSCRIPTS_WAITING, {"kind": kind, "body": body}, maxlen=MAX_SAID_WAITING, approximate=True
        )

    async def publish_live(self, unsettled: LiveUtterance) -> None:
        """Publish an utterance in progress to the viewers that are connected at this moment."""
        channel = keys.conversation_keys(unsettled.conversation_id).unsettled
        if self._publish == "SPUBLISH":
            await self._client.spublish(channel, encode_json(unsettled))
        else:
            await self._client.publish(channel, encode_json(unsettled))


def read_conversation(client: Redis, hub: InboxSource, conversation_id: str, position: int) -> LogReader[Utterance]:
    """Return a reader of the utterances after ``position``; the oldest may have been trimmed."""

    def from_message(payload: bytes) -> tuple[int, Utterance]:
        utterance = utterance_from(payload)
        return utterance.seq, utterance

    def from_entry(_: int, fields: Mapping[bytes, bytes]) -> Utterance:
        return utterance_from(fields[b"event"])

    channel = keys.conversation_keys(conversation_id).channel
    return LogReader(client, hub, channel, position, from_message=from_message, from_entry=from_entry, allow_holes=True)


async def conversation_epoch(client: Redis, conversation_id: str) -> str:
    """Return the conversation's epoch, '' before its first utterance; it changes when the keys expire or are lost."""
    epoch: Any = await client.hget(keys.conversation_keys(conversation_id).state, "epoch")
    return epoch.decode() if epoch else ""


async def seq_before(client: Redis, conversation_id: str, spoken_since_ms: float) -> int:
    """Return the position after which all utterances stand that ended at ``spoken_since_ms`` (wall clock) or later."""
    log = keys.conversation_keys(conversation_id).log
    newest: Any = "+"
    place: int | None = None
    while True:
        entries: Any = await client.xrevrange(log, max=newest, count=64)
        for entry_id, fields in entries:
            seq = int(entry_id.partition(b"-")[0])
            said = utterance_from(fields[b"event"])
            ended_ms = said.spoken_ms + said.end_ms - said.start_ms
            if place is None:
                place = seq
            if ended_ms >= spoken_since_ms:
                place = seq - 1
            elif ended_ms < spoken_since_ms - _OVERTAKEN_MS:
                return place
        if len(entries) < 64:
            return place or 0
        newest = f"({entries[-1][0].decode()}"
