"""Host and Origin headers that are allowed, and those that are not."""

import pytest

from stt_gateway.core.requests.access import AccessRules, access_rules
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

OWN_NAMES = ("Studio.lan", "Studio", "Studio.local")


def rules(host: str = "127.0.0.1", hosts: str = "", origins: str = "") -> AccessRules:
    return access_rules(host, OWN_NAMES, hosts, origins)


def refused(of: AccessRules, hosts: list[str], origins: list[str], *, has_effects: bool = True) -> str | None:
    """The code of the refusal, None when there is none."""
    try:
        of.check(hosts, origins, has_effects=has_effects)
    except SttError as error:
        return error.code
    return None


LOOPBACK = ["localhost", "LOCALHOST:8000", "localhost.", "localhost.:8000", "stt.localhost:8000", "127.0.0.1"]
LOOPBACK += ["127.0.0.1:8000", "127.0.1.1:80", "[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]:8000", "localhost:"]
ADDRESSES = ["192.168.1.20:8000", "10.0.0.5", "93.184.216.34", "[2001:db8::7]:8000", "[fe80::1]"]
MACHINE = ["studio", "Studio.local:8000", "studio.lan.:8000"]
REBOUND = ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "evillocalhost"]
REBOUND += [
    "127.0.0.1@evil.example",
    "127.0.0.1, evil.example",
    "127.0.0.1 ",
    "",
    ":8000",
    "[::1",
    "::1",
    "localhost..",
    "host name",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_is_always_allowed(host: str) -> None:
    for listening in ("127.0.0.1", "0.0.0.0", "::", "192.168.1.20"):
        assert refused(rules(listening), [host], []) is None


@pytest.mark.parametrize("host", [*ADDRESSES, *MACHINE])
@pytest.mark.parametrize("listening", ["0.0.0.0", "::", "10.0.0.9", "studio.lan"])
def test_a_server_beyond_loopback_is_reached_by_address_and_name(listening: str, host: str) -> None:
    assert refused(rules(listening), [host], []) is None


@pytest.mark.parametrize("host", [*ADDRESSES, *MACHINE])
@pytest.mark.parametrize("listening", ["127.0.0.1", "localhost", "::1"])
def test_a_server_on_loopback_is_reached_by_loopback_only(listening: str, host: str) -> None:
    assert refused(rules(listening), [host], []) == "forbidden_host"


@pytest.mark.parametrize("host", REBOUND)
@pytest.mark.parametrize("listening", ["127.0.0.1", "0.0.0.0"])
def test_a_foreign_host_name_is_refused_even_for_reading(listening: str, host: str) -> None:
    assert refused(rules(listening), [host], [], has_effects=False) == "forbidden_host"


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "evil.example"]])
def test_exactly_one_host_header_is_needed(hosts: list[str]) -> None:
    for allowed in ("", "*"):
        assert refused(rules(hosts=allowed), hosts, [], has_effects=False) == "bad_message"


def test_allowed_hosts_are_names_subdomains_or_any() -> None:
    some = rules(hosts=" STT.example.org , *.example.net,, 192.0.2.7 , [2001:db8::7]")
    for host in ("stt.example.org:443", "a.b.example.net", "192.0.2.7:80", "[2001:db8::7]:80"):
        assert refused(some, [host], []) is None, host
    for host in ("example.org", "x.stt.example.org", "example.net", "evilexample.net", "192.0.2.8"):
        assert refused(some, [host], []) == "forbidden_host", host
    assert refused(rules(hosts="*"), ["evil.example"], []) is None


SAME = [
    ("127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("localhost:8000", "HTTP://LocalHost:8000"),
    ("localhost.:8000", "http://localhost:8000"),
    ("[::1]:8000", "http://[::1]:8000"),
    ("localhost", "http://localhost"),
    ("localhost:80", "http://localhost"),
    # Behind a proxy that ends TLS.
    ("stt.example.org", "https://stt.example.org"),
    ("stt.example.org:443", "https://stt.example.org"),
    ("stt.example.org:8443", "https://stt.example.org:8443"),
]
FOREIGN = [
    ("127.0.0.1:8000", "http://evil.example"),
    ("127.0.0.1:8000", "http://127.0.0.1:8001"),
    ("127.0.0.1:8000", "http://127.0.0.1"),
    ("127.0.0.1:8000", "http://localhost:8000"),
    ("127.0.0.1:8000", "http://127.0.0.1:8000.evil.example"),
    ("127.0.0.1:8000", "http://127.0.0.1:8000@evil.example"),
    ("localhost", "https://localhost:8000"),
    ("127.0.0.1:8000", "null"),
    ("127.0.0.1:8000", ""),
    ("127.0.0.1:8000", "127.0.0.1:8000"),
    ("127.0.0.1:8000", "http://"),
    ("127.0.0.1:8000", "http://127.0.0.1:8000/"),
    ("127.0.0.1:8000", "chrome-extension://127.0.0.1:8000"),
]


@pytest.mark.parametrize(("host", "origin"), SAME)
def test_the_page_of_the_same_host_and_port_may_act(host: str, origin: str) -> None:
    assert refused(rules(hosts="stt.example.org"), [host], [origin]) is None


@pytest.mark.parametrize(("host", "origin"), FOREIGN)
def test_a_page_of_another_origin_may_read_but_not_act(host: str, origin: str) -> None:
    assert refused(rules(), [host], [origin]) == "forbidden_origin"
    # The browser keeps the answer from that page.
    assert refused(rules(), [host], [origin], has_effects=False) is None


def test_a_client_without_origin_may_act() -> None:
    assert refused(rules(), ["127.0.0.1:8000"], []) is None


def test_two_origins_are_refused() -> None:
    twice = ["http://127.0.0.1:8000", "http://127.0.0.1:8000"]
    assert refused(rules(), ["127.0.0.1:8000"], twice) == "forbidden_origin"


def test_allowed_origins_are_compared_as_browsers_write_them() -> None:
    some = rules(
        origins="https://App.example.org/, http://[::1]:3000,https://b.example:443 ,null,chrome-extension://abc"
    )
    for origin in (
        "https://app.example.org",
        "http://[::1]:3000",
        "https://b.example",
        "null",
        "chrome-extension://abc",
    ):
        assert refused(some, ["localhost"], [origin]) is None, origin
    for origin in ("http://app.example.org", "https://app.example.org:444", "https://x.app.example.org"):
        assert refused(some, ["localhost"], [origin]) == "forbidden_origin", origin
    assert refused(rules(origins="*"), ["localhost"], ["https://evil.example"]) is None
    # Any page, but by no name of its own.
    assert refused(rules(origins="*"), ["evil.example"], ["http://evil.example"]) == "forbidden_host"


def test_a_refusal_names_what_was_sent_and_the_setting() -> None:
    with pytest.raises(SttError, match=r"'evil\.example' is not allowed; allow it with ALLOWED_HOSTS"):
        rules().check(["evil.example"], [], has_effects=False)
    with pytest.raises(SttError, match=r"'http://evil\.example' are not allowed; allow it with ALLOWED_ORIGINS"):
        rules().check(["localhost"], ["http://evil.example"], has_effects=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed_hosts", "https://stt.example.org"),
        ("allowed_hosts", "stt.example.org:8000"),
        ("allowed_hosts", "stt.*.org"),
        ("allowed_hosts", "*example.org"),
        ("allowed_origins", "app.example.org"),
        ("allowed_origins", "https://app.example.org/page"),
        ("allowed_origins", "https://*.example.org"),
        ("allowed_origins", "https://user@app.example.org"),
        ("allowed_origins", "https://"),
    ],
)
def test_a_list_that_means_nothing_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="allowed are"):
        GatewaySettings(**{name: value})
