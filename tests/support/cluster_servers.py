"""A cluster: masters that share the slots, each with a replica if asked for."""

import contextlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

from support.ports import free_port
from support.replicated_redis import ReplicatedRedis, until

N_SLOTS = 16384
# The nodes talk to each other on a port of their own, this far above the clients'.
_TO_CLUSTER_BUS = 10_000


class ClusterServers(ReplicatedRedis):
    """``timeout_ms``: time without an answer after which the others take a node for dead."""

    def __init__(self, folder: Path, n_masters: int = 3, *, replicated: bool = True, timeout_ms: int = 2000) -> None:
        n_nodes = n_masters * (2 if replicated else 1)
        super().__init__(folder, [free_port(also_free=_TO_CLUSTER_BUS) for _ in range(n_nodes)])
        self._n_masters = n_masters
        self._timeout_ms = timeout_ms

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self._servers[: self._n_masters])

    def start(self) -> None:
        for port in self._servers:
            self._start_node(port)
        masters, replicas = self._servers[: self._n_masters], self._servers[self._n_masters :]
        for index, port in enumerate(masters):
            first, beyond = index * N_SLOTS // self._n_masters, (index + 1) * N_SLOTS // self._n_masters
            _tell(port, "CLUSTER ADDSLOTSRANGE", first, beyond - 1)
            _tell(port, "CLUSTER SET-CONFIG-EPOCH", index + 1)
        for port in self._servers[1:]:
            _tell(self._servers[0], "CLUSTER MEET", "127.0.0.1", port)
        until(lambda: all(_n_known(port) == len(self._servers) for port in self._servers), "nodes do not know all")
        for master, replica in zip(masters, replicas, strict=False):
            _tell(replica, "CLUSTER REPLICATE", _tell(master, "CLUSTER MYID"))
        self.masters()

    def bring_back(self, port: int) -> None:
        # Its file of nodes tells it who it was; the others tell it that its slots have another master.
        self._start_node(port)

    def move_slot(self, slot: int, rng: random.Random) -> None:
        """Move a slot with its keys from its master to another."""
        masters = self.masters()
        source = _master_of(slot, masters[0])
        target = rng.choice([port for port in masters if port != source])
        target_id = _tell(target, "CLUSTER MYID")
        _tell(target, "CLUSTER SETSLOT", slot, "IMPORTING", _tell(source, "CLUSTER MYID"))
        _tell(source, "CLUSTER SETSLOT", slot, "MIGRATING", target_id)
        while names := _tell(source, "CLUSTER GETKEYSINSLOT", slot, 100):
            _tell(source, "MIGRATE", "127.0.0.1", target, "", 0, 5000, "KEYS", *names)
        for port in (target, *(port for port in masters if port != target)):
            until(lambda: _assign(port, slot, target_id), "the replicas do not follow")  # noqa: B023

    def _start_node(self, port: int) -> None:
        self._start_server(
            port,
            *("--cluster-enabled", "yes", "--cluster-config-file", f"nodes-{port}.conf"),
            *("--cluster-node-timeout", str(self._timeout_ms)),
        )

    def _views(self) -> set[frozenset[int]]:
        # That of a node that does not see the cluster whole is like no other.
        return {_masters_seen_by(port) for port in self._living()}


def _masters_seen_by(port: int) -> frozenset[int]:
    with contextlib.suppress(redis.RedisError):
        if _info(port)["cluster_state"] == "ok":
            return frozenset(int(shard[2][1]) for shard in _tell(port, "CLUSTER SLOTS"))
    return frozenset({-port})


def _master_of(slot: int, at: int) -> int:
    shards = _tell(at, "CLUSTER SLOTS")
    return next(int(node[1]) for first, last, node, *_ in shards if first <= slot <= last)


def _assign(port: int, slot: int, node: Any) -> bool:
    # Refused while a replica is behind.
    try:
        _tell(port, "CLUSTER SETSLOT", slot, "NODE", node)
    except redis.ResponseError as error:
        if "NOREPLICAS" not in str(error):
            raise
        return False
    return True


def _n_known(port: int) -> int:
    return int(_info(port)["cluster_known_nodes"])


def _info(port: int) -> dict[str, str]:
    return {str(name): str(value) for name, value in _tell(port, "CLUSTER INFO").items()}


def _tell(port: int, *command: Any) -> Any:
    with redis.Redis(port=port) as node:
        return node.execute_command(*command)


@contextlib.contextmanager
def cluster_servers(n_masters: int = 3, *, replicated: bool = False) -> Iterator[ClusterServers]:
    """A cluster, running."""
    with tempfile.TemporaryDirectory(prefix="stt-cluster-") as folder:
        servers = ClusterServers(Path(folder), n_masters, replicated=replicated)
        try:
            servers.start()
            yield servers
        finally:
            servers.stop()
