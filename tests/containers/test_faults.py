"""Containers that go while clients speak: every word is counted, none may be missing or come twice."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from chaos.crowd import Crowd

from containers.faults import ROUNDS, crowd_of, play
from containers.suite import ContainerSuite, running

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite(images: None) -> AsyncIterator[ContainerSuite]:
    async with running() as suite:
        yield suite


def assert_exact(talking: Crowd) -> None:
    assert talking.total.sessions > 0
    assert talking.total.is_exact, [talk.story() for talk in talking.bad[:3]]


async def test_no_word_is_lost_when_a_container_of_any_kind_goes(suite: ContainerSuite) -> None:
    report = await play(suite, ROUNDS, seed=1)
    print(report.as_json())
    assert report.hit > 0
    assert report.count.is_exact, report.stories


async def test_no_word_is_lost_when_services_grow_and_shrink(suite: ContainerSuite) -> None:
    async with crowd_of(suite, random.Random(1)) as talking:
        await suite.scale(transcriber=3, audio_processor=3)
        await talking.in_full_swing()
        await suite.scale(transcriber=1, audio_processor=1)
        await talking.in_full_swing()
        await suite.scale(transcriber=2, audio_processor=2)
    assert_exact(talking)


async def test_no_word_is_lost_when_all_containers_get_new_images(suite: ContainerSuite) -> None:
    before = {each.host for each in suite.containers if each.service != "redis"}
    await asyncio.to_thread(suite.compose, "build", REVISION="newer")
    async with crowd_of(suite, random.Random(1)) as talking:
        await asyncio.to_thread(suite.compose.up, REVISION="newer")
        await suite.changed()
        await talking.in_full_swing()
    assert_exact(talking)
    after = suite.containers
    assert not before & {each.host for each in after}
    revisions = {each.inspect('{{index .Config.Labels "org.opencontainers.image.revision"}}') for each in after}
    assert "newer" in revisions
