"""Redis Cluster client that also finds the node of a key and provides a plain client for each node.

redis-py's cluster client runs the ordinary commands. Pipelines and subscribers need their own connections to a specific
node; those come from plain clients, one per node.
"""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, ClusterPipeline, RedisCluster
from redis.cluster import ClusterNode as BlockingClusterNode
from redis.cluster import RedisCluster as BlockingRedisCluster
from redis.connection import parse_url
from redis.exceptions import ClusterError, RedisClusterException

from stt_shared.redis.uvloop_errors import fix_connection_errors, with_connection_errors

_SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}


def is_cluster_url(url: str) -> bool:
    """Return whether the URL names nodes of a Redis Cluster."""
    return urlsplit(url).scheme in _SCHEMES


def node_urls(url: str) -> list[str]:
    """Return the plain URL of each node that a cluster URL names."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    scheme = _SCHEMES[parts.scheme]
    return [urlunsplit(parts._replace(scheme=scheme, netloc=user + at + host)) for host in hosts.split(",")]


class ClusterClient(RedisCluster):
    """Asyncio client of a cluster that raises redis.ConnectionError for errors of the cluster as a whole."""

    def __init__(self, url: str, **options: Any) -> None:
        urls = node_urls(url)
        hosts = [_host_and_port(each) for each in urls]
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in hosts], **_without_place(urls[0]), **options
        )
        connection_class = with_connection_errors(self.connection_kwargs["connection_class"], of_cluster=True)
        for settings in (self.connection_kwargs, self.nodes_manager.connection_kwargs):
            settings["connection_class"] = connection_class
        for node in self.nodes_manager.startup_nodes.values():
            node.connection_class = connection_class
        self._url = urls[0]
        self._node_options = options
        self._on_nodes: dict[str, Redis] = {}

    async def node_of(self, key: str) -> str:
        """Return the node ("host:port") that serves ``key``."""
        await self._ready()
        try:
            node = self.get_node_from_key(key)
        except RedisClusterException as error:
            raise redis.ConnectionError(str(error)) from error
        assert node is not None
        return node.name

    def on_node(self, name: str) -> Redis:
        """Return a plain client of one node."""
        client = self._on_nodes.get(name)
        if client is None:
            parts = urlsplit(self._url)
            user, at, _ = parts.netloc.rpartition("@")
            url = urlunsplit(parts._replace(netloc=user + at + name))
            client = fix_connection_errors(Redis.from_url(url, health_check_interval=10, **self._node_options))
            self._on_nodes[name] = client
        return client

    async def refresh(self) -> None:
        """Query the cluster again for the nodes and their slots. Raises redis.ConnectionError."""
        await self._ready()
        try:
            await self.nodes_manager.initialize()
        except (RedisClusterException, ClusterError) as error:
            raise redis.ConnectionError(str(error)) from error

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command as the base class does, with the errors that callers expect of a single server."""
        try:
            return await super().execute_command(*args, **kwargs)
        except (RedisClusterException, ClusterError) as error:
            raise redis.ConnectionError(str(error)) from error

    def pipeline(self, transaction: Any = True, shard_hint: Any = None) -> ClusterPipeline:
        """Return a pipeline, by default a transaction as on a single server; its keys must then share a slot."""
        return super().pipeline(transaction or None, shard_hint)

    async def aclose(self) -> None:
        """Close the connections to all nodes."""
        for client in self._on_nodes.values():
            await client.aclose()
        self._on_nodes.clear()
        await super().aclose()

    async def _ready(self) -> None:
        try:
            await self.initialize()
        except (RedisClusterException, ClusterError) as error:
            raise redis.ConnectionError(str(error)) from error


def as_cluster(client: object) -> ClusterClient | None:
    """Return the client if it is a cluster client, otherwise None."""
    return client if isinstance(client, ClusterClient) else None


def connect_cluster_sync(url: str, **options: Any) -> BlockingRedisCluster:
    """Return a blocking cluster client. Raises redis.ConnectionError when no node replies."""
    urls = node_urls(url)
    new_node: Any = BlockingClusterNode
    nodes = [new_node(*_host_and_port(each)) for each in urls]
    try:
        return BlockingRedisCluster(startup_nodes=nodes, **_without_place(urls[0]), **options)
    except (RedisClusterException, ClusterError) as error:
        raise redis.ConnectionError(str(error)) from error


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or 6379


def _without_place(url: str) -> dict[str, Any]:
    """Return the URL's options that apply to every node: user, password, TLS."""
    parse: Any = parse_url
    options: dict[str, Any] = dict(parse(url))
    for name in ("host", "port", "db", "path"):
        options.pop(name, None)
    if options.pop("connection_class", None) is not None:
        options["ssl"] = True
    return options
