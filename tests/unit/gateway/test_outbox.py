"""Events for a slow reader: the newest partial of an utterance is enough, everything else goes out in order."""

import msgspec
import pytest

from stt_gateway.core.live.outbox import Outbox, Outgoing, outgoing

pytestmark = pytest.mark.unit


def event(number: int, kind: str, utterance: int = 0, **more: int) -> Outgoing:
    body = {"event": number, "type": kind, "utterance": utterance, "text": "x", **more}
    return outgoing(msgspec.json.encode(body), 0.0)


def taken(outbox: Outbox) -> list[int]:
    numbers = []
    while (item := outbox.take()) is not None:
        numbers.append(item.head.event)
    return numbers


def filled(*events: Outgoing, partials: bool = True) -> Outbox:
    outbox = Outbox(partials=partials)
    for item in events:
        outbox.put(item)
    return outbox


def test_order_is_kept() -> None:
    outbox = filled(event(1, "ready"), event(2, "partial", 1), event(3, "ack"))
    assert len(outbox) == 3
    assert taken(outbox) == [1, 2, 3]
    assert outbox.take() is None


def test_a_newer_partial_replaces_the_older_of_its_utterance() -> None:
    assert taken(filled(event(1, "partial", 1), event(2, "ack"), event(3, "partial", 1))) == [2, 3]


def test_a_final_replaces_the_partials_that_it_settles() -> None:
    assert taken(filled(event(1, "partial", 1), event(2, "final", 1), event(3, "partial", 2))) == [2, 3]


def test_a_partial_of_another_utterance_stays() -> None:
    assert taken(filled(event(1, "partial", 1), event(2, "partial", 2), event(3, "final", 2))) == [1, 3]


def test_partials_of_two_channels_do_not_replace_each_other() -> None:
    first, second = event(1, "partial", 1, channel=0), event(2, "partial", 1, channel=1)
    assert taken(filled(first, second, event(3, "final", 1, channel=1))) == [1, 3]
    assert taken(filled(first, second, event(3, "partial", 2, channel=0))) == [2, 3], "its number rose meanwhile"


def test_nothing_but_partials_is_ever_dropped() -> None:
    kinds = ("ready", "ack", "speech_started", "speech_ended", "gap", "warning", "final", "error", "done")
    events = [event(number, kinds[number % len(kinds)], number) for number in range(1, 1000)]
    assert taken(filled(*events)) == list(range(1, 1000))


def test_what_was_taken_cannot_be_replaced() -> None:
    outbox = filled(event(1, "partial", 1))
    assert outbox.take() is not None
    outbox.put(event(2, "partial", 1))
    assert taken(outbox) == [2]


def test_who_wants_no_partials_gets_none() -> None:
    assert taken(filled(event(1, "partial", 1), event(2, "final", 1), event(3, "partial", 2), partials=False)) == [2]


def test_the_body_goes_out_as_it_came() -> None:
    body = b'{"event":7,"type":"error","code":"idle","extra":[1]}'
    item = outgoing(body, 12.0)
    assert (item.body, item.received_ms, item.head.code) == (body, 12.0, "idle")
    with pytest.raises(msgspec.DecodeError):
        outgoing(b"{}", 0.0)
