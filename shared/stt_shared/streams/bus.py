"""The bus between all services: typed owners of all state in Redis, and its channels."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from redis.asyncio import Redis

from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.client import connect
from stt_shared.redis.cluster import as_cluster
from stt_shared.redis.cluster_pipeline import new_pipeline
from stt_shared.redis.pipeline import LuaFunction, Pipeline
from stt_shared.redis.rights import PROBE
from stt_shared.streams import keys
from stt_shared.streams.callbacks import CallbackQueue
from stt_shared.streams.conversations import ConversationStreams
from stt_shared.streams.fetches import FetchQueue
from stt_shared.streams.jobs import JobStreams
from stt_shared.streams.quotas import QuotaCounters
from stt_shared.streams.replicas import Replicas
from stt_shared.streams.sessions import SessionStreams
from stt_shared.streams.transcripts import TranscriptQueue

_NOTHING = LuaFunction.of("return 1")


class Bus:
    """Bus of one process, opened once with ``connect``. For one event loop.

    ``pipeline``: the one to use instead of an own one over ``client``.
    """

    def __init__(self, client: Redis, channels: ChannelHub, pipeline: Pipeline | None = None) -> None:
        self.client = client
        self.channels = channels
        self.pipeline = pipeline or new_pipeline(client)
        self.callbacks = CallbackQueue(self.pipeline)
        self.sessions = SessionStreams(self.pipeline, channels, self.callbacks)
        self.jobs = JobStreams(self.pipeline, channels)
        self.fetches = FetchQueue(self.pipeline, channels)
        self.transcripts = TranscriptQueue(self.pipeline)
        self.conversations = ConversationStreams(self.pipeline, channels, self.transcripts)
        self.quotas = QuotaCounters(self.pipeline)
        self.replicas = Replicas(client)

    async def memory_info(self) -> Mapping[str, Any]:
        """Return Redis' own figures of its memory; none on a cluster, each node of which has its own."""
        return {} if as_cluster(self.client) else await self.client.info("memory")

    async def check_rights(self) -> None:
        """Run a script, read a log and publish, to nobody.

        Raises redis.ConnectionError; NotPermitted when Redis does not let this user do so any more.
        """
        await self.pipeline.call(_NOTHING, [PROBE], [])
        await self.pipeline.command("XRANGE", PROBE + ":log", "-", "+")
        await self.channels.publish(PROBE, b"")

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, redis_url: str, replica_id: str, min_replicas: int = 0) -> AsyncIterator["Bus"]:
        """Open the bus of the replica ``replica_id``; ``min_replicas``: see ``Pipeline``.

        Raises redis.ConnectionError when Redis does not answer.
        """
        client = connect(redis_url)
        try:
            async with ChannelHub(client, keys.replica_channel(replica_id)) as channels:
                yield cls(client, channels, new_pipeline(client, min_replicas))
        finally:
            await client.aclose()
