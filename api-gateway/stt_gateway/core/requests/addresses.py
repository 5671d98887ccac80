"""Network addresses of clients. Pure."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

CLIENT_PREFIX_BITS = 64
"""Bits of an IPv6 address that identify a client: a customer or a host has a whole /64 at its disposal."""


def client_network(address: str) -> str:
    """Return what limits per client count: an IPv4 address, or the /64 of an IPv6 address."""
    known = ip_address(address)
    if not isinstance(known, ipaddress.IPv6Address):
        return str(known or address)
    return str(ipaddress.IPv6Network((int(known), CLIENT_PREFIX_BITS), strict=False))


def ip_address(text: str) -> Address | None:
    """Parse an address; None if it is none. An IPv4 address that a dual-stack socket shows as IPv6 becomes IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
