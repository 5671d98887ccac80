"""The suite in containers with the oracle as its model, and what can happen to a container."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.front import Front

from containers.compose import SERVICES, Compose, Container, DockerError, health, is_ready, published_port, run

READY_WITHIN_S = 120.0


@dataclass(eq=False)
class Gateway:
    """A gateway's container, as Front takes it. ``port`` is 0 while it does not run."""

    name: str
    port: int = 0


class ContainerSuite:
    """See ``running``. Commands of Docker run in threads, since they take a while."""

    def __init__(self, compose: Compose) -> None:
        self.compose = compose
        self.containers: list[Container] = []
        self._gateways: dict[str, Gateway] = {}
        self.front = Front(lambda: [gateway for gateway in self._gateways.values() if gateway.port])

    @property
    def gateway_urls(self) -> list[str]:
        return [f"ws://127.0.0.1:{each.port}/v1/stt/stream" for each in self._gateways.values()]

    def of(self, service: str) -> list[Container]:
        return [each for each in self.containers if each.service == service]

    async def scale(self, **counts: int) -> None:
        """See ``Compose.scale``; returns when all are ready."""
        await asyncio.to_thread(self.compose.scale, **counts)
        await self.changed()

    async def changed(self) -> None:
        """Finds out which containers there are, and waits until all are ready."""
        self.containers = await asyncio.to_thread(self.compose.containers)
        self._gateways = {each.name: Gateway(each.name) for each in self.of("api-gateway")}
        await self.ready()

    async def ready(self, *services: str, timeout_s: float = READY_WITHIN_S) -> None:
        """Every container, of these services or of all, runs and its replica is ready. Raises TimeoutError."""
        wanted = [each for each in self.containers if not services or each.service in services]
        deadline = time.monotonic() + timeout_s
        while not await asyncio.to_thread(self._are_ready, wanted):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready within {timeout_s:g} s\n{self.compose.story()}")
            await asyncio.sleep(0.3)

    def _are_ready(self, wanted: Sequence[Container]) -> bool:
        for gateway, container in zip(self._gateways.values(), self.of("api-gateway"), strict=True):
            if not gateway.port:
                with contextlib.suppress(DockerError):
                    gateway.port = published_port(container)
        return is_ready(self.health(), wanted)

    def health(self) -> dict[str, Any]:
        """What /health says; empty while no gateway answers."""
        reports = (health(f"http://127.0.0.1:{each.port}") for each in self._gateways.values() if each.port)
        return next((report for report in reports if report), {})

    async def sessions(self) -> dict[str, int]:
        """How many sessions each worker's container has in hand, by its name."""
        rows = (await asyncio.to_thread(self.health)).get("replicas", [])
        return {
            each.name: sum(row["sessions"] for row in rows if f"-{each.host}-" in row["id"])
            for each in self.containers
            if each.service in ("audio-processor", "transcriber")
        }

    async def strike(self, container: Container, fault: str) -> None:
        """Lets one of FAULTS happen. A gateway has another port afterwards."""
        await FAULTS[fault](container)
        if container.name in self._gateways:
            self._gateways[container.name].port = 0


async def kill(container: Container) -> None:
    """`docker kill`, as by an operator: it stays down until it is started."""
    await _docker("kill", container.name)
    await _docker("start", container.name)


async def stop(container: Container) -> None:
    """`docker stop`: SIGTERM, time to leave, and a start."""
    await _docker("stop", container.name)
    await _docker("start", container.name)


async def crash(container: Container) -> None:
    """kill -9 of all that runs inside: the engine starts it again by itself."""
    # The shell that does it is not killed by its own signal to all.
    await _docker("exec", container.name, "sh", "-c", "kill -9 -1")


FAULTS = {"kill": kill, "stop": stop, "crash": crash}


async def _docker(*arguments: str) -> None:
    await asyncio.to_thread(run, "docker", *arguments)


@contextlib.asynccontextmanager
async def running(*overrides: str, **counts: int) -> AsyncIterator[ContainerSuite]:
    """Starts a suite from images that are built, and removes it; two replicas of each service where ``counts`` gives no
    other number. ``overrides``: see ``Compose``."""
    suite = ContainerSuite(Compose("oracle.yml", *overrides))
    try:
        await suite.front.start()
        await suite.scale(**{name.replace("-", "_"): 2 for name in SERVICES} | counts)
        yield suite
    finally:
        await suite.front.stop()
        await asyncio.to_thread(suite.compose.down)
