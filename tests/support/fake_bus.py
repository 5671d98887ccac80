"""A bus on an in-memory Redis: the real scripts and owners, no server."""

from collections.abc import Sequence
from typing import Any

from fakeredis import FakeAsyncRedis

from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.pipeline import Argument, LuaFunction, Pipeline
from stt_shared.streams.bus import Bus


class FakePipeline(Pipeline):
    """Runs each call on its own, and answers as the server does."""

    def __init__(self, client: FakeAsyncRedis) -> None:
        super().__init__(client)
        self._redis = client

    async def call(self, function: LuaFunction, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        return await self._redis.eval(function.source, len(keys), *keys, *arguments)

    async def command(self, *parts: Argument) -> Any:
        name, key, *arguments = parts
        # A script, because redis-py converts the replies of commands.
        return await self._redis.eval("return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))", 1, key, name, *arguments)


def fake_bus() -> Bus:
    client = FakeAsyncRedis()
    return Bus(client, ChannelHub(client, "test"), FakePipeline(client))
