"""What a URL that a client names tells by itself."""

import re

import pytest

from stt_gateway.core.outbound.client_urls import OutboundRules, UrlRefused
from stt_gateway.core.outbound.public_addresses import ReachableAddresses, networks_of

pytestmark = pytest.mark.unit

RULES = OutboundRules()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "https://example.org:8443/hook?id=1",
        "https://user:secret@example.org/hook",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]/hook",
    ],
)
def test_a_url_of_the_public_internet_is_accepted(url: str) -> None:
    RULES.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "/hook",
        "https://",
        "https:///hook",
        "https://:443/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://[::1",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "https://exam ple.org/",
        "https://example.org/\r\nHost: other",
        "https://exämple.org/",
        "https://example.org\\@127.0.0.1/",
        "https://example.org/" + "a" * 2048,
        "http://example.org/hook",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://[::ffff:169.254.169.254]/latest/meta-data",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        RULES.check(url)


def test_a_refusal_does_not_repeat_what_may_be_a_credential() -> None:
    with pytest.raises(UrlRefused) as refusal:
        RULES.check("http://ann:secret@example.org/hook?token=hidden")
    assert not {"secret", "hidden", "ann"} & set(re.split(r"\W", str(refusal.value)))


def test_the_operator_may_allow_plain_http_and_own_networks() -> None:
    rules = OutboundRules(ReachableAddresses(networks_of("127.0.0.1")), http=True)
    rules.check("http://127.0.0.1:9000/hook")
    rules.check("http://example.org/hook")
    with pytest.raises(UrlRefused):
        rules.check("http://127.0.0.2:9000/hook")
