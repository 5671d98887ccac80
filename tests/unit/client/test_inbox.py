"""The queue to the program: what it keeps for a slow reader."""

import pytest
from support.client_events import final, partial

from stt_client.inbox import Inbox

pytestmark = pytest.mark.unit


def test_a_newer_partial_replaces_the_older_and_a_final_all_of_its_utterance() -> None:
    inbox = Inbox()
    for event in (partial(1, 1), partial(1, 2), {"type": "speech_ended", "event": 3}, partial(2, 4), final(1, 5)):
        inbox.put(event)
    inbox.put(partial(3, 6))
    inbox.put(partial(2, 7))
    taken = []
    while (event := inbox.take()) is not None:
        taken.append(event["event"])
    assert taken == [3, 5, 6, 7]


def test_partials_of_two_channels_do_not_replace_each_other() -> None:
    inbox = Inbox()
    for number, (channel, utterance) in enumerate([(0, 1), (1, 1), (0, 2)], start=1):
        inbox.put({**partial(utterance, number), "channel": channel})
    inbox.put({**final(1, 4), "channel": 1})
    assert [inbox.take(), inbox.take()] == [{**partial(2, 3), "channel": 0}, {**final(1, 4), "channel": 1}]
    assert inbox.take() is None


def test_a_partial_that_was_taken_is_not_looked_for() -> None:
    inbox = Inbox()
    inbox.put(partial(1, 1))
    assert inbox.take() == partial(1, 1)
    inbox.put(final(1, 2))
    assert inbox.take() == final(1, 2)
    assert inbox.take() is None


def test_a_full_queue_says_so() -> None:
    inbox = Inbox(2)
    inbox.put(final(1, 1))
    assert not inbox.is_full
    inbox.put(final(2, 2))
    assert inbox.is_full
