"""Addresses of a suite, and of a session that is resumed."""

import re

import pytest
from support.client_events import ack, final

from stt_client.address import Address, live_url
from stt_client.progress import SessionProgress
from stt_gateway.core.requests.subprotocols import answered, offered_query

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
    resumed = "ws://a/x?session_id=s+1&framing=seq32&last_event=4"
    assert address.handshake("t", progress, 1000).url == f"{resumed}&committed_ms=1000&finals=1&start_ms=1000"
    assert address.handshake("t", progress, None).url == resumed


def test_what_proxies_must_not_log_is_carried_beside_the_address() -> None:
    prompt = "Grüße & mehr ~ 快"
    address = Address("ws://a/x", {"prompt": prompt, "language": "de"})
    url, subprotocols = address.handshake("a-secret_token", SessionProgress(), 0)
    assert url == "ws://a/x?language=de&last_event=0&committed_ms=0&finals=0&start_ms=0"
    assert answered(subprotocols) == "stt"
    assert dict(offered_query(subprotocols)) == {"resume_token": "a-secret_token", "prompt": prompt}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in subprotocols), "as header fields allow"
