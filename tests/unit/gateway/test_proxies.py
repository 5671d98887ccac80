"""What proxies say about a request, and who is believed."""

from collections.abc import Callable

import pytest

from stt_gateway.core.requests.addresses import client_network
from stt_gateway.core.requests.proxies import TrustedProxies, root_path, trusted_proxies
from stt_gateway.settings import GatewaySettings

pytestmark = pytest.mark.unit

PROXIES = trusted_proxies("127.0.0.1, 10.0.0.0/8, fd00::/8")


def headers(**fields: str | list[str]) -> Callable[[str], list[str]]:
    """Header values by name; several lines of one header are a list."""
    lines = {name.replace("_", "-"): [value] if isinstance(value, str) else value for name, value in fields.items()}
    return lambda name: lines.get(name, [])


def test_nobody_is_believed_by_default() -> None:
    nobody = trusted_proxies(GatewaySettings().trusted_proxies)
    said = headers(x_forwarded_for="1.2.3.4", x_forwarded_host="a.example", x_forwarded_prefix="/a")
    for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", ""):
        assert nobody.client(peer, said) == peer
        assert nobody.hosts(peer, said) == []
        assert nobody.prefix(peer, said) == ""


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.2.3", "fd00::1", "::ffff:10.1.2.3"])
def test_a_trusted_proxy_is_believed(peer: str) -> None:
    said = headers(x_forwarded_for="1.2.3.4", x_forwarded_host="a.example", x_forwarded_prefix="/a/")
    assert PROXIES.client(peer, said) == "1.2.3.4"
    assert PROXIES.hosts(peer, said) == ["a.example"]
    assert PROXIES.prefix(peer, said) == "/a"


@pytest.mark.parametrize("peer", ["127.0.0.2", "11.0.0.1", "fe80::1", "", "unix", "testclient"])
def test_others_are_not(peer: str) -> None:
    said = headers(x_forwarded_for="1.2.3.4", forwarded="for=1.2.3.4;host=a.example")
    assert PROXIES.client(peer, said) == peer
    assert PROXIES.hosts(peer, said) == []


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (headers(), "10.0.0.1"),
        (headers(x_forwarded_for=""), "10.0.0.1"),
        # What the client itself made up stands before what the proxies saw.
        (headers(x_forwarded_for="9.9.9.9, 1.2.3.4"), "1.2.3.4"),
        (headers(x_forwarded_for="9.9.9.9, 1.2.3.4, 10.0.0.7, 127.0.0.1"), "1.2.3.4"),
        (headers(x_forwarded_for=["9.9.9.9", "1.2.3.4,10.0.0.7"]), "1.2.3.4"),
        (headers(x_forwarded_for="10.0.0.9, 10.0.0.7"), "10.0.0.9"),
        (headers(x_forwarded_for="1.2.3.4, nonsense"), "10.0.0.1"),
        (headers(x_forwarded_for="1.2.3.4, unknown, 10.0.0.7"), "10.0.0.7"),
        (headers(x_forwarded_for="1.2.3.4:4711"), "1.2.3.4"),
        (headers(x_forwarded_for="[2001:db8::7]:4711"), "2001:db8::7"),
        (headers(x_forwarded_for="2001:db8::7"), "2001:db8::7"),
        (headers(forwarded='for="[2001:db8::7]:4711";proto=https;by=10.0.0.1'), "2001:db8::7"),
        (headers(forwarded="for=9.9.9.9, For=1.2.3.4;host=a, for=10.0.0.7"), "1.2.3.4"),
        (headers(forwarded="for=_hidden"), "10.0.0.1"),
        # A client's own Forwarded passes a proxy that writes the other header.
        (headers(forwarded="for=9.9.9.9", x_forwarded_for="1.2.3.4"), "1.2.3.4"),
    ],
)
def test_the_client_is_the_last_hop_that_is_no_trusted_proxy(said: Callable[[str], list[str]], client: str) -> None:
    assert PROXIES.client("10.0.0.1", said) == client


def test_hosts_are_those_of_all_proxies() -> None:
    assert PROXIES.hosts("10.0.0.1", headers(x_forwarded_host="a.example:8443, b")) == ["a.example:8443", "b"]
    assert PROXIES.hosts("10.0.0.1", headers(forwarded='for=x;host="a.example:8443", host=b')) == [
        "a.example:8443",
        "b",
    ]


@pytest.mark.parametrize("prefix", ["stt", "//evil.example", "/a//b", "/a b", "/a?b", "/a\r\nb", "/é", "/%2e", "/"])
def test_what_is_no_path_is_no_prefix(prefix: str) -> None:
    assert PROXIES.prefix("10.0.0.1", headers(x_forwarded_prefix=prefix)) == ""


@pytest.mark.parametrize("setting", ["proxy.example", "10.0.0.0/33", "10.0.0.1:80", "*"])
def test_a_setting_that_names_no_network_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match="no address or network"):
        trusted_proxies(setting)


def test_the_path_of_a_proxy() -> None:
    assert [root_path(given) for given in ("", "/", "/stt", "stt/", "/a/b/")] == ["", "", "/stt", "/stt", "/a/b"]
    for given in ("a b", "https://a.example/stt", "/a//b", "/a?b"):
        with pytest.raises(ValueError, match="is no path"):
            root_path(given)


def test_trusting_is_about_addresses_alone() -> None:
    assert not TrustedProxies(()).trusts("127.0.0.1")
    assert not PROXIES.trusts("localhost")


def test_a_client_of_ipv6_is_its_whole_network() -> None:
    assert client_network("2001:db8:1:2:3:4:5:6") == client_network("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert client_network("2001:db8:1:3::9") != client_network("2001:db8:1:2::9")
    assert client_network("192.0.2.1") == client_network("::ffff:192.0.2.1") == "192.0.2.1"
    assert client_network("192.0.2.2") != client_network("192.0.2.1")
    assert client_network("fe80::1%eth0") == "fe80::/64"
    assert client_network("testclient") == "testclient"
