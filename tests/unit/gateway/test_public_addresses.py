"""Which addresses the gateway may connect to on a client's behalf."""

import ipaddress

import pytest

from stt_gateway.core.outbound.public_addresses import (
    ReachableAddresses,
    is_public,
    literal_address,
    networks_of,
    refused,
)

pytestmark = pytest.mark.unit

PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
)
NOT_PUBLIC = {
    "loopback": "127.0.0.1",
    "loopback, another": "127.255.255.254",
    "this host": "0.0.0.0",
    "this network": "0.1.2.3",
    "private 10": "10.0.0.1",
    "private 172.16": "172.16.0.1",
    "private 172.31": "172.31.255.255",
    "private 192.168": "192.168.1.1",
    "link-local": "169.254.0.1",
    "metadata of AWS, Azure, Google": "169.254.169.254",
    "metadata of ECS": "169.254.170.2",
    "metadata of Alibaba": "100.100.100.200",
    "metadata of Oracle": "192.0.0.192",
    "services of Azure": "168.63.129.16",
    "carriers": "100.64.0.1",
    "benchmarks": "198.19.255.255",
    "documentation": "203.0.113.7",
    "multicast": "224.0.0.1",
    "multicast, last": "239.255.255.255",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "IPv6 loopback": "::1",
    "IPv6 nothing": "::",
    "IPv6 link-local": "fe80::1",
    "IPv6 unique local": "fd00::1",
    "metadata of AWS by IPv6": "fd00:ec2::254",
    "IPv6 site-local": "fec0::1",
    "IPv6 multicast": "ff02::1",
    "IPv6 documentation": "2001:db8::1",
    "IPv6 documentation, newer": "3fff::1",
    "IPv6 not assigned": "4000::1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped private": "::ffff:10.0.0.1",
    "mapped metadata": "::ffff:169.254.169.254",
    "compatible loopback": "::127.0.0.1",
    "NAT64 of loopback": "64:ff9b::127.0.0.1",
    "NAT64 of metadata": "64:ff9b::a9fe:a9fe",
    "NAT64 of the operator's": "64:ff9b:1::8.8.8.8",
    "6to4 of loopback": "2002:7f00:1::",
    "6to4 of a public one": "2002:808:808::",
    "Teredo": "2001:0:7f00:1::",
    "discard": "100::1",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_may_be_reached(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
    assert ReachableAddresses().allows(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC.values(), ids=NOT_PUBLIC.keys())
def test_nothing_else_may(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    assert not ReachableAddresses().allows(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.0.5.9", True),
        ("10.0.6.9", False),
        ("::ffff:10.0.5.9", True),
        ("64:ff9b::10.0.5.9", True),
        ("64:ff9b::10.0.6.9", False),
        ("fd12::3", True),
        ("fd13::3", False),
        ("127.0.0.1", False),
    ],
)
def test_networks_of_the_operator_may_be_reached_in_any_form_of_their_addresses(address: str, allowed: bool) -> None:
    reachable = ReachableAddresses(networks_of("10.0.5.0/24, fd12::/16"))
    assert reachable.allows(ipaddress.ip_address(address)) is allowed


def test_one_address_that_is_not_allowed_refuses_the_name() -> None:
    good, bad = ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address("127.0.0.1")
    assert not refused([good], ReachableAddresses())
    assert refused([good, bad], ReachableAddresses())
    assert refused([bad, good], ReachableAddresses())
    assert refused([], ReachableAddresses())


@pytest.mark.parametrize("name", ["2130706433", "0x7f000001", "017700000001", "127.1", "0177.0.0.1", "localhost"])
def test_odd_spellings_are_names_which_are_resolved_before_they_are_checked(name: str) -> None:
    assert literal_address(name) is None


@pytest.mark.parametrize("setting", ["10.0.0.0/33", "example.org", "10.0.0.0/8;fd00::/8"])
def test_what_is_no_network_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match="is no network"):
        networks_of(setting)
