"""Network addresses to which the gateway may connect on a client's behalf. Pure.

The tables are ours, since what Python calls global differs between its versions and includes multicast.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_REFUSED_IPV4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carriers' own, and metadata of some clouds
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # a cloud's own services, at a public address
            "169.254.0.0/16",  # link-local, and metadata of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocols
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_IPV6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocols, among them Teredo, which leads to any IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which leads to any IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_BITS = 0xFFFF_FFFF


@dataclass(frozen=True)
class ReachableAddresses:
    """Public addresses, and those of the networks that the operator allows besides."""

    networks: tuple[Network, ...] = ()

    def allows(self, address: Address) -> bool:
        """Return whether the gateway may connect to ``address``."""
        real = _without_translation(address)
        return is_public(real) or any(real in network for network in self.networks)


def is_public(address: Address) -> bool:
    """Return whether an address is one of the public internet, after any translation to IPv4."""
    address = _without_translation(address)
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_IPV4)
    return address in _GLOBAL_IPV6 and not any(address in network for network in _REFUSED_IPV6)


def networks_of(setting: str) -> tuple[Network, ...]:
    """Parse networks with commas between them. Raises ValueError."""
    return tuple(map(_network, filter(None, (item.strip() for item in setting.split(",")))))


def literal_address(host: str) -> Address | None:
    """Return the address that a host is written as; None for a name.

    Other spellings of an address (``127.1``, ``0x7f000001``) are names here; what they resolve to is checked then.
    """
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def refused(addresses: Sequence[Address], reachable: ReachableAddresses) -> bool:
    """Return whether a name with these addresses must not be connected to: one of them that is not allowed suffices."""
    return not addresses or not all(map(reachable.allows, addresses))


def _without_translation(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for: one that is mapped, or translated by NAT64."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & _IPV4_BITS)
    return address.ipv4_mapped or address


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no network; allowed are such as 10.0.0.0/8, 192.168.1.5 and fd00::/8") from None
