"""The owner of a conversation's keys: each utterance once, in order, with a position that viewers can resume from."""

import msgspec
import pytest
from msgspec.structs import replace
from support.fake_bus import fake_bus

from stt_shared.contracts.conversation import MAX_WORDS, CompactWord, RevisedSpeakers, Utterance
from stt_shared.contracts.events import RevisedUtterance
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus

pytestmark = pytest.mark.unit

CALL = "call 7/ä"


def utterance(number: int, *, instance: str = "i1", spoken_ms: int = 0, conversation: str | None = CALL) -> Utterance:
    return Utterance(
        conversation_id=conversation,
        session_id="ann",
        instance=instance,
        utterance=number,
        speaker=None,
        text=f"word {number}",
        language="en",
        confidence=0.9,
        spoken_ms=spoken_ms,
        start_ms=0,
        end_ms=1000,
    )


def revised(as_of: int, number: int, speaker: str | None, instance: str = "i1") -> RevisedSpeakers:
    return RevisedSpeakers(
        conversation_id=CALL,
        session_id="ann",
        instance=instance,
        as_of=as_of,
        utterances=[RevisedUtterance(number, speaker)],
    )


@pytest.fixture
def bus() -> Bus:
    return fake_bus()


async def test_a_repeated_utterance_is_in_the_conversation_once_and_reaches_the_store_each_time(bus: Bus) -> None:
    for number in (1, 1, 2, 1):
        await bus.conversations.send(utterance(number))
    newest = await bus.conversations.newest("local", CALL, 10)
    assert [(one.seq, one.utterance) for one in newest] == [(2, 2), (1, 1)]
    assert await bus.client.xlen(keys.TRANSCRIPTS_WAITING) == 4


async def test_each_session_of_a_conversation_numbers_its_own_utterances(bus: Bus) -> None:
    await bus.conversations.send(utterance(1, instance="i1"))
    await bus.conversations.send(utterance(1, instance="i2"))
    assert [one.instance for one in await bus.conversations.newest("local", CALL, 10)] == ["i2", "i1"]


async def test_an_utterance_without_a_conversation_goes_to_the_store_only(bus: Bus) -> None:
    await bus.conversations.send(utterance(1, conversation=None))
    assert await bus.client.xlen(keys.TRANSCRIPTS_WAITING) == 1
    assert await bus.client.keys("stt:conversations:*") == []


async def test_a_conversation_that_was_lost_begins_with_a_new_epoch(bus: Bus) -> None:
    assert await bus.conversations.epoch("local", CALL) == ""
    await bus.conversations.send(utterance(1))
    first = await bus.conversations.epoch("local", CALL)
    at = keys.conversation_keys("local", CALL)
    await bus.client.delete(at.state, at.newest_of("i1"))
    await bus.conversations.send(utterance(2))
    (only,) = await bus.conversations.newest("local", CALL, 10)
    assert (only.seq, only.epoch) == (1, await bus.conversations.epoch("local", CALL))
    assert first not in ("", only.epoch)


async def test_the_position_before_a_time_skips_what_ended_earlier(bus: Bus) -> None:
    for number in range(1, 101):
        await bus.conversations.send(utterance(number, spoken_ms=1000 * number))
    assert await bus.conversations.seq_before("local", CALL, 0) == 0
    assert await bus.conversations.seq_before("local", CALL, 91_000) == 89, "the 90th ends at 91 s"
    assert await bus.conversations.seq_before("local", CALL, 1_000_000) == 100
    assert await bus.conversations.seq_before("local", "another", 0) == 0


async def test_a_revision_is_in_the_conversation_once_and_holds_for_its_own_session(bus: Bus) -> None:
    for number in (1, 2):
        await bus.conversations.send(utterance(number, spoken_ms=1000 * number))
    await bus.conversations.send(utterance(1, instance="i2", spoken_ms=3000))
    for _ in range(2):
        await bus.conversations.send_revision("local", revised(2, 1, "Speaker 2"))
    await bus.conversations.send_revision("local", revised(3, 1, "Speaker 3"))
    await bus.conversations.send(utterance(3, spoken_ms=4000))
    newest = await bus.conversations.newest("local", CALL, 10)
    assert [(one.seq, one.instance, one.speaker) for one in newest] == [
        (6, "i1", None), (3, "i2", None), (2, "i1", None), (1, "i1", "Speaker 3")
    ]  # fmt: skip
    assert await bus.conversations.seq_before("local", CALL, 4500) == 5
    assert await bus.conversations.seq_before("local", CALL, 9000) == 6
    await bus.conversations.delete_utterances("local", CALL, lambda one: one.instance == "i1")
    assert await bus.client.xlen(keys.conversation_keys("local", CALL).log) == 1


async def test_the_newest_message_is_what_was_published(bus: Bus) -> None:
    channel = keys.conversation_keys("local", CALL).channel
    assert await bus.conversations.newest_message(channel) is None
    await bus.conversations.send(utterance(1))
    message = await bus.conversations.newest_message(channel)
    assert message is not None
    assert b'"word 1"' in message


async def test_utterances_of_one_session_are_deleted_on_all_pages(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_shared.streams.conversations._PAGE", 2)
    for number in range(1, 5):
        for instance in ("ann", "bob"):
            await bus.conversations.send(utterance(number, instance=instance))
    for _ in range(2):
        await bus.conversations.delete_utterances("local", CALL, lambda one: one.instance == "ann")
        left = await bus.conversations.newest("local", CALL, 100)
        assert [(one.instance, one.utterance) for one in left] == [("bob", number) for number in (4, 3, 2, 1)]


def test_the_longest_utterance_with_all_its_words_stays_small() -> None:
    words = [CompactWord("Donaudampfschiff", 14_000_000 + at, 14_000_000 + at, 0.123) for at in range(MAX_WORDS)]
    assert len(msgspec.json.encode(replace(utterance(1), words=words))) < 32 * 1024
