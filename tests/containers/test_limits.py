"""What containers may use is what their services count with, and what they report."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from support.gateway_harness import until

from containers.compose import replicas
from containers.suite import ContainerSuite, running
from stt_transcriber.core.schedule.places import DECODING_BYTES, SESSION_BYTES, PlaceLimit

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

MEMORY_BYTES = 320 << 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite(images: None) -> AsyncIterator[ContainerSuite]:
    """Two transcribers with one CPU and 320 MiB each."""
    async with running("limits.yml", api_gateway=1, audio_processor=1) as suite:
        yield suite


async def test_a_quota_of_cpus_shapes_the_workers(suite: ContainerSuite) -> None:
    details = [row["detail"] for row in replicas(suite.health(), "transcriber")]
    assert [(detail["cpus"], detail["workers"]) for detail in details] == [(1, 1), (1, 1)]


async def test_a_limit_of_memory_shapes_the_places(suite: ContainerSuite) -> None:
    for row in replicas(suite.health(), "transcriber"):
        assert row["detail"]["memory_limit_bytes"] == MEMORY_BYTES
        assert 1 <= row["capacity"] < (MEMORY_BYTES - DECODING_BYTES) / SESSION_BYTES


async def test_metrics_say_what_health_says(suite: ContainerSuite) -> None:
    for row in replicas(suite.health(), "transcriber"):
        # A replica tells its metrics every two seconds.
        told = await until(lambda row=row: metrics_of(suite, row["id"]))  # type: ignore[misc]
        assert told["stt_usable_cpus", ""] == 1
        assert told["stt_memory_limit_bytes", ""] == MEMORY_BYTES
        assert sum(told["stt_places_limit", limit] for limit in PlaceLimit) == 1


async def metrics_of(suite: ContainerSuite, replica: str) -> dict[tuple[str, str], float]:
    """The value of each metric of a replica, by its name and label `limit`; empty until it has told of its places."""
    gateway = suite.gateway_urls[0].replace("ws", "http").replace("/v1/stt/stream", "")
    async with httpx2.AsyncClient(base_url=gateway, trust_env=False) as client:
        families = text_string_to_metric_families((await client.get("/metrics")).text)
    samples = [sample for family in families for sample in family.samples if sample.labels.get("replica") == replica]
    told = {(sample.name, sample.labels.get("limit", "")): sample.value for sample in samples}
    return told if told.get(("stt_places_changed_timestamp_seconds", ""), 0) > 0 else {}
