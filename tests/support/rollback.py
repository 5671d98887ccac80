"""Redis as it was a moment ago: what a failover to a replica that lacks the last writes leaves."""

from typing import Any

from redis.asyncio import Redis

_SNAPSHOT = """
local found = {}
for _, name in ipairs(redis.call('KEYS', '*')) do
  if not string.find(name, 'replica') then
    found[#found + 1] = name
    found[#found + 1] = redis.call('DUMP', name)
  end
end
return found
"""
_ROLL_BACK = """
local kept = {}
for n = 1, #ARGV, 2 do
  kept[ARGV[n]] = true
  redis.call('RESTORE', ARGV[n], 3600000, ARGV[n + 1], 'REPLACE')
end
for _, name in ipairs(redis.call('KEYS', '*')) do
  if not kept[name] and not string.find(name, 'replica') then redis.call('DEL', name) end
end
"""


async def snapshot(client: Redis) -> list[bytes]:
    """Names and values of all keys but those of replicas, of one moment."""
    found: Any = await client.eval(_SNAPSHOT, 0)
    return list(found)


async def roll_back(client: Redis, then: list[bytes]) -> None:
    """Put those keys back and delete all others, at once."""
    arguments: list[Any] = list(then)
    await client.eval(_ROLL_BACK, 0, *arguments)
