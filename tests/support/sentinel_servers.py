"""A master, its replica, and three sentinels that watch them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import redis

from support.ports import free_port
from support.replicated_redis import ReplicatedRedis, until

MASTER = "speech"
QUORUM = 2
N_SENTINELS = 3


class SentinelServers(ReplicatedRedis):
    """``down_after_ms``: time without an answer after which a sentinel takes a server for dead."""

    def __init__(self, folder: Path, down_after_ms: int = 2000) -> None:
        super().__init__(folder, [free_port(), free_port()])
        self._down_after_ms = down_after_ms
        self._sentinel_ports = [free_port() for _ in range(N_SENTINELS)]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._sentinel_ports)
        return f"redis+sentinel://{hosts}/{MASTER}/0"

    def start(self) -> None:
        master, replica = self._servers
        self._start_server(master)
        self._start_server(replica, "--replicaof", f"127.0.0.1 {master}")
        for port in self._sentinel_ports:
            config = self._folder / f"sentinel-{port}.conf"
            config.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {self._folder}\n"
                f"sentinel monitor {MASTER} 127.0.0.1 {master} {QUORUM}\n"
                f"sentinel down-after-milliseconds {MASTER} {self._down_after_ms}\n"
                f"sentinel failover-timeout {MASTER} 5000\n"
            )
            self._start(port, str(config), "--sentinel")
        until(lambda: all(_knows_all(port) for port in self._sentinel_ports), "sentinels do not know all")

    def cut_replication(self) -> None:
        """Let the replica get nothing more."""
        (master,) = self.masters()
        (replica,) = (port for port in self._living() if port != master)
        with redis.Redis(port=replica) as server:
            server.replicaof("NO", "ONE")

    def bring_back(self, port: int) -> None:
        (master,) = self.masters()
        self._start_server(port, "--replicaof", f"127.0.0.1 {master}")

    def _views(self) -> set[frozenset[int]]:
        # One sentinel learns of a failover after another.
        views = set()
        for port in self._sentinel_ports:
            with redis.Redis(port=port) as sentinel:
                address = sentinel.sentinel_get_master_addr_by_name(MASTER)
            assert address is not None
            views.add(frozenset({int(address[1])}))
        return views


def _knows_all(port: int) -> bool:
    with redis.Redis(port=port) as sentinel:
        try:
            master = sentinel.sentinel_master(MASTER)
        except redis.ConnectionError:
            return False
    return int(master["num-other-sentinels"]) == N_SENTINELS - 1 and int(master["num-slaves"]) == 1


@contextlib.contextmanager
def sentinel_servers(folder: Path, down_after_ms: int = 2000) -> Iterator[SentinelServers]:
    """The servers, running."""
    servers = SentinelServers(folder, down_after_ms)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()
