"""Conversations in Redis: a log of settled utterances with a channel, and a channel for what is being said."""

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
"""Utterances that a viewer can catch up on, about so many; older ones are in the store."""
MAX_SAID_WAITING = 100_000
"""Utterances and results that wait for the store; with more, the oldest are given up."""
_OVERTAKEN_MS = 60_000
"""By how much an utterance may come behind one that ended later: longer than any speaker's words lag."""


class ConversationStreams:
    """Writes; all of them may be repeated."""

    def __init__(self, client: Redis, lane: Pipeline, publish: str) -> None:
        self._client = client
        self._lane = lane
        self._publish = publish
        self._say = LuaFunction.of(resources.files("stt_shared.streams").joinpath("scripts/say.lua").read_text())

    async def send(self, utterance: Utterance) -> None:
        """For the store, at least once; then for the viewers of the conversation, if there is one, exactly once."""
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
        """Something for the transcript store: a settled utterance, or the id of a job that has ended."""
        await self._client.xadd(
            keys.TRANSCRIPTS_WAITING, {"kind": kind, "body": body}, maxlen=MAX_SAID_WAITING, approximate=True
        )

    async def publish_live(self, unsettled: LiveUtterance) -> None:
        """For those who look on right now."""
        channel = keys.conversation_keys(unsettled.conversation_id).unsettled
        if self._publish == "SPUBLISH":
            await self._client.spublish(channel, encode_json(unsettled))
        else:
            await self._client.publish(channel, encode_json(unsettled))


def read_conversation(client: Redis, hub: InboxSource, conversation_id: str, position: int) -> LogReader[Utterance]:
    """Utterances behind place ``position``; the oldest may be gone."""

    def from_message(payload: bytes) -> tuple[int, Utterance]:
        utterance = utterance_from(payload)
        return utterance.seq, utterance

    def from_entry(_: int, fields: Mapping[bytes, bytes]) -> Utterance:
        return utterance_from(fields[b"event"])

    channel = keys.conversation_keys(conversation_id).channel
    return LogReader(client, hub, channel, position, from_message=from_message, from_entry=from_entry, allow_holes=True)


async def conversation_epoch(client: Redis, conversation_id: str) -> str:
    """Changes when the conversation's keys were lost or have expired; '' while nothing has been said in it."""
    epoch: Any = await client.hget(keys.conversation_keys(conversation_id).state, "epoch")
    return epoch.decode() if epoch else ""


async def seq_before(client: Redis, conversation_id: str, spoken_since_ms: float) -> int:
    """The place behind which everything stands that was still being said at that wall clock time, or later."""
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
