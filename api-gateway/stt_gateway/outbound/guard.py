"""HTTP client for URLs that clients name: it connects only to addresses that are allowed.

Each request resolves its host once, checks every address found, and connects to one of exactly these: whoever answers
for the name has no second chance to name another. The name stays in ``Host``, and the certificate is checked for it.
"""

import asyncio
import http.cookiejar
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx2

from stt_gateway.core.outbound.client_urls import OutboundRules, UrlRefused
from stt_gateway.core.outbound.public_addresses import Address, literal_address, refused

MOST_ADDRESSES_TRIED = 4
_LOOKUPS = ThreadPoolExecutor(8, thread_name_prefix="lookup")
"""Threads of lookups, since slow ones must not take those that write uploads."""

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]


class NotReachable(Exception):
    """Refusal to connect. The message names neither the URL nor an address."""


async def resolved(host: str, port: int) -> Sequence[Address]:
    """Return the addresses of a host, in the order in which to try them. Raises OSError."""
    found = await asyncio.get_running_loop().run_in_executor(
        _LOOKUPS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    # A scope ("%eth0") is only for link-local addresses, which are not allowed.
    return list(dict.fromkeys(ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found))


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Transport that checks each request, redirected ones included, by ``rules``. Raises NotReachable."""

    def __init__(self, rules: OutboundRules, resolve: Resolve = resolved) -> None:
        self._rules = rules
        self._resolve = resolve
        # No connection serves two requests: hosts that share an address would share its TLS session.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to an address that is allowed. Raises NotReachable and httpx2.TransportError."""
        host = request.url.raw_host.decode("ascii")
        error: httpx2.TransportError = httpx2.ConnectError("no address", request=request)
        for address in (await self._checked_addresses(request.url, host))[:MOST_ADDRESSES_TRIED]:
            try:
                return await self._inner.handle_async_request(_pinned(request, host, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as failed:
                error = failed
        raise error

    async def _checked_addresses(self, url: httpx2.URL, host: str) -> Sequence[Address]:
        try:
            self._rules.check_scheme(url.scheme)
        except UrlRefused as error:
            raise NotReachable(f"it must be {error}") from None
        literal = literal_address(host)
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = [literal] if literal else await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpx2.ConnectError(f"name not resolved: {error}") from error
        if refused(addresses, self._rules.reachable):
            raise NotReachable("it has an address that is not public and that OUTBOUND_NETWORKS does not allow")
        return addresses

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()


def guarded_client(rules: OutboundRules, timeout: httpx2.Timeout, resolve: Resolve = resolved) -> httpx2.AsyncClient:
    """Return a client that keeps no cookies, follows no redirects and uses no proxy of the environment."""
    nobody = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    return httpx2.AsyncClient(
        transport=GuardedTransport(rules, resolve),
        timeout=timeout,
        trust_env=False,
        cookies=nobody,
        headers={"user-agent": "realtime-stt-suite", "accept-encoding": "identity"},
    )


def _pinned(request: httpx2.Request, host: str, address: Address) -> httpx2.Request:
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )
