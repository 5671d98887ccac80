"""Connections to what clients name: where they go, on real servers, whatever names and redirects say.

127.0.0.2 stands for the public internet, as a network that the operator allows; 127.0.0.1 is what must not be reached.
"""

import ipaddress
import sys
from collections.abc import AsyncIterator, Iterator, Sequence

import httpx2
import pytest
from support.receiver import Answer, Receiver, receiver

from stt_gateway.core.outbound.client_urls import OutboundRules
from stt_gateway.core.outbound.public_addresses import Address, ReachableAddresses, networks_of
from stt_gateway.outbound.guard import NotReachable, guarded_client

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of this machine on Linux alone"),
]

ALLOWED, FORBIDDEN = "127.0.0.2", "127.0.0.1"
RULES = OutboundRules(ReachableAddresses(networks_of(ALLOWED)), http=True)


class Names:
    """A name server. ``answers``: one for each question, the last for all after it."""

    def __init__(self) -> None:
        self.answers: list[list[str]] = [[ALLOWED]]
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [ipaddress.ip_address(one) for one in answer]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
async def client(names: Names) -> AsyncIterator[httpx2.AsyncClient]:
    async with guarded_client(RULES, httpx2.Timeout(10), names.resolve) as client:
        yield client


@pytest.fixture
def allowed() -> Iterator[Receiver]:
    with receiver(ALLOWED) as found:
        yield found


@pytest.fixture
def forbidden(allowed: Receiver) -> Iterator[Receiver]:
    """At the same port, so that only the address decides."""
    with receiver(FORBIDDEN, allowed.port) as found:
        yield found


async def test_a_name_is_resolved_once_and_its_host_header_stays(
    client: httpx2.AsyncClient, names: Names, allowed: Receiver
) -> None:
    assert (await client.post(f"http://hooks.test:{allowed.port}/in?a=1", content=b"{}")).status_code == 204
    (request,) = allowed.requests
    assert (request.path, request.body) == ("/in?a=1", b"{}")
    assert request.headers["host"] == f"hooks.test:{allowed.port}"
    assert names.asked == ["hooks.test"]


async def test_a_name_that_is_bound_to_another_address_after_the_check_gains_nothing(
    client: httpx2.AsyncClient, names: Names, allowed: Receiver, forbidden: Receiver
) -> None:
    url = f"http://rebound.test:{allowed.port}/"
    names.answers = [[ALLOWED], [FORBIDDEN]]
    await client.post(url)
    assert len(allowed.requests) == 1, "the connection goes to the address that was checked"
    with pytest.raises(NotReachable):
        await client.post(url)
    assert forbidden.requests == []


@pytest.mark.parametrize("answer", [[ALLOWED, FORBIDDEN], [FORBIDDEN, ALLOWED], [f"::ffff:{FORBIDDEN}"], ["0.0.0.0"]])
async def test_one_forbidden_address_of_several_is_enough(
    client: httpx2.AsyncClient, names: Names, allowed: Receiver, forbidden: Receiver, answer: list[str]
) -> None:
    names.answers = [answer]
    with pytest.raises(NotReachable):
        await client.post(f"http://mixed.test:{allowed.port}/")
    assert allowed.requests == forbidden.requests == []


async def test_the_next_address_is_tried_where_nobody_listens(
    client: httpx2.AsyncClient, names: Names, allowed: Receiver
) -> None:
    rules = OutboundRules(ReachableAddresses(networks_of("127.0.0.2, 127.0.0.3")), http=True)
    names.answers = [["127.0.0.3", ALLOWED]]
    async with guarded_client(rules, httpx2.Timeout(10), names.resolve) as client:
        assert (await client.post(f"http://two.test:{allowed.port}/")).status_code == 204


@pytest.mark.parametrize("follow", [True, False])
async def test_a_redirect_to_a_forbidden_address_is_not_followed(
    client: httpx2.AsyncClient, allowed: Receiver, forbidden: Receiver, follow: bool
) -> None:
    allowed.answer = lambda _: Answer(302, {"location": f"http://{FORBIDDEN}:{allowed.port}/secret"})
    if follow:
        with pytest.raises(NotReachable):
            await client.get(f"{allowed.url}/", follow_redirects=True)
    else:
        assert (await client.get(f"{allowed.url}/")).status_code == 302
    assert len(allowed.requests) == 1
    assert forbidden.requests == []


@pytest.mark.parametrize(
    "host", [FORBIDDEN, "2130706433", "0x7f000001", "017700000001", "127.1", "[::1]", "0", "localhost"]
)
async def test_no_spelling_of_a_forbidden_address_is_connected_to(
    allowed: Receiver, forbidden: Receiver, host: str
) -> None:
    async with guarded_client(RULES, httpx2.Timeout(10)) as client:
        with pytest.raises((NotReachable, httpx2.ConnectError, httpx2.InvalidURL)):
            await client.post(f"http://{host}:{forbidden.port}/")
    assert forbidden.requests == []


async def test_no_cookie_is_kept(client: httpx2.AsyncClient, allowed: Receiver) -> None:
    allowed.answer = lambda _: Answer(204, {"set-cookie": "a=1"})
    for _ in range(2):
        await client.post(f"{allowed.url}/")
    assert "cookie" not in allowed.requests[1].headers


async def test_http_is_refused_unless_it_is_allowed(allowed: Receiver) -> None:
    async with guarded_client(OutboundRules(RULES.reachable), httpx2.Timeout(10)) as client:
        with pytest.raises(NotReachable, match="https"):
            await client.post(f"{allowed.url}/")
    assert allowed.requests == []


async def test_no_proxy_of_the_environment_is_used(
    allowed: Receiver, forbidden: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", forbidden.url)
    monkeypatch.setenv("ALL_PROXY", forbidden.url)
    async with guarded_client(RULES, httpx2.Timeout(10)) as client:
        assert (await client.post(f"{allowed.url}/")).status_code == 204
    assert forbidden.requests == []
