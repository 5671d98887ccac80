"""Pipeline on a Redis Cluster: one pipeline per node, with a retry when a slot has moved."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis
from redis.asyncio import Redis
from redis.exceptions import AskError, MovedError

from stt_shared.redis.cluster import ClusterClient, as_cluster
from stt_shared.redis.outage import UNREACHABLE, Full
from stt_shared.redis.pipeline import Argument, LuaFunction, Pipeline

_TRIES = 5
_TRY_AGAIN_S = 0.2


class ClusterPipeline(Pipeline):
    """Pipeline that sends each call to the node of its first key; all keys of a call share that key's slot."""

    def __init__(self, client: Redis, cluster: ClusterClient, min_replicas: int = 0) -> None:
        super().__init__(client, min_replicas)
        self._cluster = cluster
        self._at_nodes: dict[str, Pipeline] = {}

    async def call(self, function: LuaFunction, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Call a function as ``Pipeline.call`` does.

        While a slot moves, only calls that await each other keep their order.
        """
        return await self._at_node(
            keys[0],
            lambda pipeline: pipeline.call(function, keys, arguments),
            ("EVAL", function.source, len(keys), *keys, *arguments),
        )

    async def command(self, *parts: Argument) -> Any:
        """Run a command as ``Pipeline.command`` does."""
        name, key, *arguments = parts
        # A script, because redis-py converts the replies of commands.
        command = ("EVAL", _AS_IT_IS, 1, key, name, *arguments)
        return await self._at_node(str(key), lambda pipeline: pipeline.command(*parts), command)

    async def _at_node(self, key: str, do: Callable[[Pipeline], Awaitable[Any]], command: Sequence[Argument]) -> Any:
        """Call ``do`` with the pipeline of the key's node; ``command`` is the same command for redis-py."""
        trouble: redis.RedisError = redis.ConnectionError("no node of the cluster")
        for _ in range(_TRIES):
            try:
                return await do(self._pipeline_at(await self._cluster.node_of(key)))
            except MovedError as error:
                trouble = redis.ConnectionError(f"the slot has moved: {error}")
            except AskError:
                # The slot is migrating; redis-py asks the other node.
                return await self._cluster.execute_command(*command)
            except Full:
                raise
            except UNREACHABLE as error:
                trouble = error
            await asyncio.sleep(_TRY_AGAIN_S)
            with contextlib.suppress(*UNREACHABLE):
                await self._cluster.refresh()
        raise trouble

    def _pipeline_at(self, node: str) -> Pipeline:
        pipeline = self._at_nodes.get(node)
        if pipeline is None:
            pipeline = self._at_nodes[node] = Pipeline(self._cluster.on_node(node), self._min_replicas)
        return pipeline


_AS_IT_IS = "return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))"


def new_pipeline(client: Redis, min_replicas: int = 0) -> Pipeline:
    """Return a pipeline to the client's single server or cluster; see ``Pipeline``."""
    cluster = as_cluster(client)
    return Pipeline(client, min_replicas) if cluster is None else ClusterPipeline(client, cluster, min_replicas)
