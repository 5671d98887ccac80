"""Addresses of a suite, and of a session that is resumed."""

import pytest
from support.client_events import ack, final

from stt_client.address import Address, live_url
from stt_client.progress import SessionProgress

pytestmark = pytest.mark.unit


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
    with pytest.raises(ValueError, match="is not the address of a suite"):
        live_url(given)


def test_a_session_is_resumed_with_what_the_client_has() -> None:
    progress = SessionProgress()
    for event in (final(1, 2), ack(1000, 3), final(2, 4)):
        progress.record(event)
    address = Address("ws://a/x", {"session_id": "s 1", "framing": "seq32"})
    resumed = "ws://a/x?session_id=s+1&framing=seq32&resume_token=t&last_event=4"
    assert address.of("t", progress, 1000) == f"{resumed}&committed_ms=1000&finals=1&start_ms=1000"
    assert address.of("t", progress, None) == resumed
