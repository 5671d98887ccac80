"""What the client decides without a network: what is news, when to try again, what to keep for a slow reader."""

import pytest

from stt_client import connect
from stt_client.address import Address, live_url
from stt_client.backoff import Backoff
from stt_client.connection import encoded
from stt_client.errors import CLOSE_CODES, ConnectionLost, SessionError, close_error, status_error
from stt_client.inbox import Inbox
from stt_client.progress import Event, SessionProgress
from stt_client.replay import SAMPLE_BYTES, Chunk, Finalize, Stop
from stt_shared.contracts.errors import ERRORS
from stt_shared.contracts.session import Encoding

pytestmark = pytest.mark.unit


def final(utterance: int, event: int, text: str = "words", **more: object) -> Event:
    start_ms = (utterance - 1) * 1000
    return {"type": "final", "utterance": utterance, "event": event, "text": text, "start_ms": start_ms, **more}


def partial(utterance: int, event: int) -> Event:
    return {"type": "partial", "utterance": utterance, "event": event, "text": "wor"}


def ack(committed_ms: int, event: int) -> Event:
    return {"type": "ack", "received_seq": 1, "committed_ms": committed_ms, "event": event}


# -- events


def test_ready_and_ack_are_no_news_and_errors_do_not_count() -> None:
    progress = SessionProgress()
    assert progress.record({"type": "ready", "event": 7}) is None
    assert progress.last_event == 0, "events that are repeated behind a `ready` have lower numbers"
    assert progress.record(ack(500, 3)) is None
    assert progress.record({"type": "error", "event": 9}) is None
    assert (progress.last_event, progress.committed_ms) == (3, 500)


def test_repeated_events_are_dropped() -> None:
    progress = SessionProgress()
    events = [{"type": "speech_started", "event": 2}, partial(1, 3), final(1, 4), {"type": "warning", "event": 5}]
    assert [progress.record(event) for event in events] == events
    assert [progress.record(event) for event in events] == [None] * 4


def test_a_final_comes_once_whatever_its_event_number_and_partials_of_it_do_not_come_behind_it() -> None:
    progress = SessionProgress()
    assert progress.record(final(1, 4)) is not None
    assert progress.record(final(1, 9)) is None
    assert progress.record(partial(1, 10)) is None
    assert progress.record(partial(2, 11)) is not None


def test_a_server_that_lost_its_count_still_delivers_finals_and_done_with_rising_numbers() -> None:
    progress = SessionProgress()
    progress.record(final(1, 40, "one"))
    later = [progress.record(event) for event in (partial(2, 7), final(2, 8, "two"), {"type": "done", "event": 9})]
    assert later[0] is None
    assert later[1] == final(2, 41, "two")
    assert later[2] == {"type": "done", "event": 42, "text": "one two", "finals": 2}


def test_done_tells_all_finals_of_the_session_though_the_server_knows_only_the_last() -> None:
    progress = SessionProgress()
    for event in (final(1, 2, "one"), final(2, 3, ""), final(3, 4, "three")):
        progress.record(event)
    done = progress.record({"type": "done", "event": 5, "text": "three", "finals": 1, "duration_ms": 9})
    assert done == {"type": "done", "event": 5, "text": "one three", "finals": 3, "duration_ms": 9}


def test_finals_that_are_newer_than_what_is_settled_are_not_claimed() -> None:
    """A server that begins at ``committed_ms`` makes the finals behind it again, and must number them the same."""
    progress = SessionProgress()
    progress.record(final(1, 2))
    progress.record(ack(1000, 3))
    progress.record(final(2, 4))
    assert (progress.finals, progress.committed_finals, progress.committed_ms) == (2, 1, 1000)
    progress.record(final(3, 5, committed_ms=3000))
    assert (progress.committed_finals, progress.committed_ms) == (3, 3000), "a final that says what it settles"
    progress.record(ack(2000, 6))
    assert progress.committed_ms == 3000


def test_an_ack_that_was_overtaken_by_a_final_does_not_settle_it() -> None:
    progress = SessionProgress()
    for event in (final(1, 2), final(2, 3), ack(1000, 4)):
        progress.record(event)
    assert (progress.committed_finals, progress.committed_ms) == (1, 1000)
    progress.record(ack(2000, 5))
    assert progress.committed_finals == 2


# -- the queue to the program


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


# -- connecting again


def test_waits_double_up_to_5_s_and_are_never_longer_than_asked_for() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.lost(100.0, None, 120.0) for _ in range(7)]
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert Backoff(lambda: 0.0).lost(0.0, None, 120.0) == 0.125


def test_only_a_connection_that_held_5_s_ends_the_trouble() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.lost(0.0, None, 60.0), backoff.lost(10.0, 8.0, 60.0)] == [0.25, 0.5]
    assert backoff.lost(20.0, 14.9, 60.0) == 0.25
    # The patience begins with the trouble, not with the session.
    assert backoff.lost(79.9, None, 60.0) == pytest.approx(0.1), "the last attempt comes in time"
    assert backoff.lost(80.0, None, 60.0) is None


def test_what_the_server_says_comes_before_the_own_interval_but_not_before_the_patience() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.lost(0.0, None, 10.0, retry_after_s) for retry_after_s in (1.3, 0.6, None, 1.1)] == [
        1.3,
        0.6,
        1.0,
        1.1,
    ]
    assert backoff.lost(7.0, None, 10.0, 3600.0) == 3.0, "the last attempt comes in time"
    assert backoff.lost(10.0, None, 10.0, 1.0) is None


def test_many_attempts_do_no_harm() -> None:
    backoff = Backoff(lambda: 1.0)
    assert {backoff.lost(0.0, None, 120.0) for _ in range(5000)} == {0.25, 0.5, 1.0, 2.0, 4.0, 5.0}


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1011, 1012, 1013, 4408, 4429, 4431, 4432, 4499])
def test_closes_that_another_connection_may_mend(code: int | None) -> None:
    assert isinstance(close_error(code, ""), ConnectionLost)


@pytest.mark.parametrize("code", [1002, 1008, 1009, 4500, 4502, 4509, 4999])
def test_closes_that_it_would_not(code: int) -> None:
    error = close_error(code, "why")
    assert isinstance(error, SessionError)
    assert str(code) in error.message
    assert "why" in error.message


def test_the_close_codes_are_those_of_the_server() -> None:
    assert {kind.close_code: code for code, kind in ERRORS.items()} == CLOSE_CODES
    for code, kind in ERRORS.items():
        error = close_error(kind.close_code, "")
        assert error.code == code
        assert isinstance(error, ConnectionLost) is kind.retryable


def test_refused_handshakes() -> None:
    assert isinstance(status_error(503, ""), ConnectionLost)
    assert isinstance(status_error(429, ""), ConnectionLost)
    said = {"7": 7, "0": 0, "": None, "-3": None, "1e9": None, "Fri, 31 Dec 1999 23:59:59 GMT": None, "9" * 400: None}
    assert {given: status_error(503, "", given).retry_after_s for given in said} == said
    refused = status_error(404, "")
    assert isinstance(refused, SessionError)
    assert (refused.code, refused.message) == ("refused", "the server refused the stream with status 404")


# -- addresses and messages


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("ws://host:8000", "ws://host:8000/v1/stt/stream"),
        ("http://host:8000/", "ws://host:8000/v1/stt/stream"),
        ("https://host/speech", "wss://host/speech/v1/stt/stream"),
        ("wss://host/v1/stt/stream", "wss://host/v1/stt/stream"),
    ],
)
def test_the_live_path_of_a_suite(given: str, path: str) -> None:
    assert live_url(given) == path


@pytest.mark.parametrize("given", ["host:8000", "ftp://host", "ws://", "ws://host?language=en"])
def test_what_is_no_address(given: str) -> None:
    with pytest.raises(ValueError, match="is no address of a suite"):
        live_url(given)


def test_a_session_is_resumed_with_what_the_client_has() -> None:
    progress = SessionProgress()
    for event in (final(1, 2), ack(1000, 3), final(2, 4)):
        progress.record(event)
    address = Address("ws://a/x", {"session_id": "s 1", "framing": "seq32"})
    resumed = "ws://a/x?session_id=s+1&framing=seq32&resume_token=t&last_event=4"
    assert address.of("t", progress, 1000) == f"{resumed}&committed_ms=1000&finals=1&start_ms=1000"
    assert address.of("t", progress, None) == resumed


def test_messages() -> None:
    assert encoded(Chunk(258, 0, b"ab")) == b"\0\0\1\2ab"
    assert encoded(Finalize(1, 2)) == '{"type":"finalize"}'
    assert encoded(Stop(1, 2)) == '{"type":"stop"}'


def test_encodings_are_those_of_the_server() -> None:
    assert {encoding.value: encoding.bytes_per_sample for encoding in Encoding if encoding.bytes_per_sample} == (
        SAMPLE_BYTES
    )


def test_a_buffer_that_is_shorter_than_an_utterance_is_refused() -> None:
    with pytest.raises(ValueError, match="buffer_s=30 is not allowed; it must be at least 60"):
        connect("ws://a", buffer_s=30)
