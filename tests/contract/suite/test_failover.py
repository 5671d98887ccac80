"""A master of Redis dies in mid-speech and its replica takes its place: no word is lost, nothing needs a restart."""

import asyncio

import pytest
from chaos.oracle import speech
from chaos.suite import REPLICATED, Setup, running
from chaos.talk import Talk, speak_sdk
from support.gateway_harness import until
from support.process_suite import heard, words_of
from support.rollback import roll_back, snapshot

pytestmark = [pytest.mark.contract, pytest.mark.timeout(180)]

SPEECH = speech([14, 14, 14], [300, 900, 900])


@pytest.mark.parametrize("kind", REPLICATED)
async def test_no_word_is_lost_when_a_master_dies(kind: str) -> None:
    async with running(Setup(gateways=1, audio_processors=1, transcribers=1, redis=kind)) as suite:
        assert suite.replicated is not None
        await until(lambda: asyncio.to_thread(suite.replicated.is_replicated), 20)
        talk = Talk("t", SPEECH, suite.front.url, suite.front.url, pace=1.0)
        talking = asyncio.create_task(speak_sdk(talk))
        await until(lambda: talk.sent_ms >= 3000 or talk.ended, 30)
        await asyncio.to_thread(suite.replicated.kill_master)
        await asyncio.wait_for(talking, 60)
        assert (talk.cause, heard(talk)) == ("", words_of(SPEECH))


async def test_no_word_is_lost_when_the_new_master_lacks_the_last_writes() -> None:
    async with running(Setup(gateways=1, audio_processors=1, transcribers=1)) as suite:
        talk = Talk("t", SPEECH, suite.front.url, suite.front.url, pace=1.0)
        talking = asyncio.create_task(speak_sdk(talk))
        for at_ms in (3000, 6000):
            await until(lambda at_ms=at_ms: talk.sent_ms >= at_ms or talk.ended, 30)
            then = await snapshot(suite.redis)
            await asyncio.sleep(0.6)
            await roll_back(suite.redis, then)
        await asyncio.wait_for(talking, 60)
        assert (talk.cause, heard(talk)) == ("", words_of(SPEECH))
