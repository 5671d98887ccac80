"""What a Redis server reports about itself, for checks of an installation."""

import time
from dataclasses import dataclass
from typing import Any

from stt_shared.redis.client import connect_sync
from stt_shared.redis.cluster import is_cluster_url


@dataclass(frozen=True)
class ServerFacts:
    """Facts of one server. ``skew_s``: how far its clock is ahead of this machine's."""

    version: str
    keeps_log: bool
    """Whether it writes an append-only file."""
    memory: dict[str, Any]
    """INFO memory."""
    skew_s: float


def server_facts(url: str) -> ServerFacts | None:
    """Ask the server of a URL that ``check_usable`` has accepted; None for a cluster, whose nodes may differ.

    Blocks. Raises redis.RedisError, also if the user may not run INFO.
    """
    if is_cluster_url(url):
        return None
    with connect_sync(url) as client:
        began_s = time.time()
        seconds, microseconds = client.time()
        here_s = (began_s + time.time()) / 2
        server, persistence = client.info("server"), client.info("persistence")
        return ServerFacts(
            version=str(server.get("valkey_version") or server.get("redis_version", "")),
            keeps_log=bool(persistence.get("aof_enabled")),
            memory=dict(client.info("memory")),
            skew_s=seconds + microseconds / 1e6 - here_s,
        )
