"""Servers for the contract tests: a cluster of three masters, and Redis 7.0 where there is one."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from stt_cli.up.child import die_with_parent
from stt_cli.up.embedded_redis import EmbeddedRedis
from support.ports import free_port

_SLOTS = 16384
# The nodes talk to each other on a port of their own, this far above the clients'.
_TO_CLUSTER_BUS = 10_000


@contextlib.contextmanager
def cluster(n_masters: int = 3) -> Iterator[list[int]]:
    """The ports of a cluster's masters on 127.0.0.1, all slots covered."""
    with contextlib.ExitStack() as running:
        ports: list[int] = []
        for _ in range(n_masters):
            port = free_port(also_free=_TO_CLUSTER_BUS)
            server = EmbeddedRedis(
                (
                    "--port",
                    str(port),
                    "--bind",
                    "127.0.0.1",
                    "--cluster-enabled",
                    "yes",
                    "--cluster-node-timeout",
                    "2000",
                )
            )
            running.enter_context(server)
            ports.append(port)
        nodes = [running.enter_context(redis.Redis(port=port)) for port in ports]
        for index, node in enumerate(nodes):
            first, beyond = index * _SLOTS // n_masters, (index + 1) * _SLOTS // n_masters
            node.execute_command("CLUSTER ADDSLOTSRANGE", first, beyond - 1)
            node.execute_command("CLUSTER SET-CONFIG-EPOCH", index + 1)
        for port in ports[1:]:
            nodes[0].execute_command("CLUSTER MEET", "127.0.0.1", port)
        deadline = time.monotonic() + 20
        while not all(_knows_all(node, n_masters) for node in nodes):
            if time.monotonic() > deadline:
                raise TimeoutError("the cluster did not come together")
            time.sleep(0.05)
        yield ports


def _knows_all(node: redis.Redis, n_masters: int) -> bool:
    info = node.execute_command("CLUSTER INFO")
    text = {str(key): str(value) for key, value in info.items()}
    return text["cluster_state"] == "ok" and text["cluster_known_nodes"] == str(n_masters)


def redis_binary() -> str | None:
    """A `redis-server` of this machine: REDIS_SERVER, or on the PATH."""
    return os.environ.get("REDIS_SERVER") or shutil.which("redis-server")


@contextlib.contextmanager
def redis_server(binary: str, *arguments: str) -> Iterator[str]:
    """The URL of a server of that binary, with further arguments."""
    folder = Path(tempfile.mkdtemp(prefix="stt-redis7-"))
    unix_socket = folder / "redis.sock"
    command = [binary, "--port", "0", "--unixsocket", str(unix_socket), "--dir", str(folder)]
    process = subprocess.Popen(
        [*command, "--save", "", "--appendonly", "no", "--logfile", str(folder / "log"), *arguments],
        preexec_fn=die_with_parent,
    )
    try:
        deadline = time.monotonic() + 10
        while not unix_socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{binary} did not start")
            time.sleep(0.01)
        yield f"unix://{unix_socket}"
    finally:
        process.terminate()
        process.wait(5)
        shutil.rmtree(folder, ignore_errors=True)
