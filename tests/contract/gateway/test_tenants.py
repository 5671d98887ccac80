"""Two tenants in one suite: neither sees, changes or meets what the other has made."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets
from fastapi.routing import iter_route_contexts
from redis.asyncio import Redis
from starlette.requests import HTTPConnection
from support.gateway_harness import (
    STOP,
    Gateway,
    Line,
    Workers,
    end_job,
    line,
    running_gateway,
    stand_ins,
    tell_status,
    until,
)
from support.wiring import bus_on

from stt_gateway.app import create_app
from stt_gateway.authorize import declared_scopes
from stt_gateway.core.requests.principal import Principal, Scope
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.names import stored_id
from stt_shared.contracts.conversation import Utterance
from stt_shared.contracts.makers import Maker
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys

pytestmark = pytest.mark.contract

JOBS, TRANSCRIPTS = "/v1/stt/jobs", "/v1/stt/transcripts"
NOT_OF_TENANTS = ("/v1/stt/keys", "/v1/stt/tokens", "/v1/stt/tenants", "/v1/models")
"""Routes of keys and tenants, of which their own tests show whose those are, and of what all tenants share."""


class NamedInHeader:
    """Check that believes what the headers say: ``tenant``, ``key`` and ``scopes``."""

    parameters: Collection[str] = ()

    async def __call__(self, connection: HTTPConnection) -> Principal:
        headers = connection.headers
        scopes = frozenset(Scope(name) for name in headers.get("scopes", ",".join(Scope)).split(","))
        return Principal(headers["tenant"], headers.get("key", "k1"), "a key", scopes)


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers) -> AsyncIterator[Gateway]:
    async with running_gateway(redis_client, redis_url, tmp_path / "spool", authorize=NamedInHeader()) as gateway:
        await tell_status(redis_client, "transcriber", capacity=16, detail={"model": "base"})
        yield gateway


@contextlib.asynccontextmanager
async def client(gateway: Gateway, tenant: str, **more: str) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"tenant": tenant, **more}
    async with httpx2.AsyncClient(base_url=gateway.url, headers=headers, timeout=10, trust_env=False) as http:
        yield http


@contextlib.asynccontextmanager
async def session(gateway: Gateway, tenant: str, query: str) -> AsyncIterator[Line]:
    async with line(gateway.stream(query), additional_headers={"tenant": tenant}) as connected:
        yield connected


def said(tenant: str, text: str, number: int = 1, key: str = "k1") -> Utterance:
    return Utterance(
        conversation_id="board",
        session_id="ann",
        instance=f"{tenant}-{key}-instance",
        utterance=number,
        speaker="Ann",
        text=text,
        language="en",
        confidence=0.9,
        spoken_ms=int(wall_ms()) - 1000,
        start_ms=0,
        end_ms=500,
        store=True,
        maker=Maker(tenant, key),
    )


async def post(http: httpx2.AsyncClient, name: str = "talk.wav", **headers: str) -> tuple[str, bool]:
    """A job's id, and whether it was there before."""
    sent = await http.post(JOBS, files={"file": (name, b"the same bytes")}, headers=headers)
    assert sent.status_code == 202, sent.text
    return sent.json()["job_id"], "idempotent-replayed" in sent.headers


async def finished(gateway: Gateway, http: httpx2.AsyncClient, job_id: str, text: str) -> None:
    """End a job, and wait until its transcript is stored."""
    await end_job(gateway.client, job_id, text)
    await until(lambda: has(http, job_id))


async def has(http: httpx2.AsyncClient, id: str) -> bool:
    return (await http.get(f"{TRANSCRIPTS}/{id}")).status_code == 200


async def listed(http: httpx2.AsyncClient, **query: str) -> set[str]:
    return {one["id"] for one in (await http.get(TRANSCRIPTS, params=query)).json()["transcripts"]}


def edit_of(method: str, path: str) -> dict[str, str] | None:
    return {"name" if "/speakers/" in path else "title": "mine"} if method == "PATCH" else None


def addresses(**ids: str) -> Iterator[tuple[str, str]]:
    """Method and address of each route that names something, for things with these ids."""
    for route in iter_route_contexts(create_app(GatewaySettings()).routes):
        path = str(route.path)
        if declared_scopes(route.endpoint) and "{" in path and not path.startswith(NOT_OF_TENANTS):
            given = {**ids, "id": ids["job"] if "jobs" in path else ids["transcript"]}
            given |= {"job_id": ids["job"], "conversation_id": "board", "kind": "txt"}
            filled = re.sub(r"\{(\w+)(:path)?\}", lambda name: given[name[1]], path)  # noqa: B023
            for method in route.methods or ["WS"]:
                yield method, filled


@pytest.fixture
async def made(gateway: Gateway) -> dict[str, str]:
    """What acme has: an ended job, one in progress, and a stored session that spoke in a conversation."""
    bus = bus_on(gateway.client)
    async with client(gateway, "acme") as acme:
        ended, _ = await post(acme)
        await finished(gateway, acme, ended, "the secret of acme")
        waiting, _ = await post(acme, **{"idempotency-key": "waiting"})
        await bus.conversations.send(said("acme", "the secret of the board"))
        live = stored_id("ann", said("acme", "").instance)
        await until(lambda: has(acme, live))
    return {"ended": ended, "waiting": waiting, "live": live}


async def test_no_route_finds_what_another_tenant_has_made(gateway: Gateway, made: dict[str, str]) -> None:
    things = [
        {"job": made["ended"], "transcript": made["live"]},
        {"job": made["waiting"], "transcript": made["ended"]},
    ]
    tried = 0
    async with client(gateway, "other") as other, client(gateway, "acme") as acme:
        before = await listed(acme)
        for ids in things:
            for method, path in addresses(**ids):
                if "conversations" in path:
                    continue  # in their own test
                answer = await other.request(method, path, json=edit_of(method, path))
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), (method, path)
                # The same words as for what nobody has.
                nobody = path.replace(ids["job"], "f" * 32).replace(ids["transcript"], "f" * 32)
                answer_of_nobody = await other.request(method, nobody, json=edit_of(method, path))
                assert answer.json() == answer_of_nobody.json()
                tried += 1
        assert tried >= 16
        assert await listed(acme) == before
        assert (await acme.get(f"{JOBS}/{made['waiting']}")).json()["status"] == "queued"
        for _, path in (one for one in addresses(**things[0]) if one[0] == "GET"):
            assert (await acme.get(path)).status_code == 200, path


async def test_lists_and_searches_show_nothing_of_another_tenant(gateway: Gateway, made: dict[str, str]) -> None:
    searches = [{}, {"query": "secret"}, {"filename": "talk"}, {"kind": "live"}, {"language": "en"}]
    async with client(gateway, "other") as other, client(gateway, "acme") as acme:
        mine, _ = await post(other)
        await finished(gateway, other, mine, "another secret")
        for search in searches:
            assert await listed(acme, **search) <= {made["ended"], made["live"]} != set()
            assert await listed(other, **search) <= {mine}
        assert await listed(other, query="secret") == {mine}
        assert await listed(acme, query="secret") == {made["ended"], made["live"]}


async def test_the_same_file_and_the_same_request_key_do_not_meet(gateway: Gateway, made: dict[str, str]) -> None:
    async with client(gateway, "acme") as acme, client(gateway, "other") as other:
        assert await post(acme) == (made["ended"], True)
        theirs, replayed = await post(other)
        assert theirs not in made.values()
        assert not replayed
        assert await post(acme, **{"idempotency-key": "waiting"}) == (made["waiting"], True)
        keyed = await other.post(JOBS, files={"file": ("b", b"other bytes")}, headers={"idempotency-key": "waiting"})
        assert keyed.status_code == 202
        assert "idempotent-replayed" not in keyed.headers


async def test_sessions_of_one_id_do_not_meet(gateway: Gateway, workers: Workers) -> None:
    async with session(gateway, "acme", "session_id=s1") as acme, session(gateway, "other", "session_id=s1") as other:
        ready, others = await acme.hear("ready"), await other.hear("ready")
        assert (ready["session_id"], others["session_id"]) == ("s1", "s1")
        await acme.send(bytes(3200))
        await other.send(bytes(640))
        hands = [await workers.hand("acme/s1"), await workers.hand("other/s1")]
        await hands[0].final("of acme")
        await hands[1].final("of the other")
        assert (await acme.hear("final"))["text"] == "of acme"
        assert (await other.hear("final"))["text"] == "of the other"
    query = f"session_id=s1&resume_token={ready['resume_token']}&last_event=1"
    async with session(gateway, "other", query) as thief:
        assert (await thief.hear("error"))["code"] == "not_found"
    async with session(gateway, "local", query) as thief:
        assert (await thief.hear("error"))["code"] == "not_found"
    async with session(gateway, "acme", query) as back:
        assert (await back.hear("ready"))["resumed"]
        assert (await back.hear("final"))["text"] == "of acme"
        await back.send(STOP)


async def test_sessions_of_one_id_and_one_token_are_stored_apart(gateway: Gateway, workers: Workers) -> None:
    query = "session_id=s1&resume_token=chosen-by-the-client&committed_ms=0"
    hashes = set()
    for tenant, id in (("acme", "acme/s1"), ("other", "other/s1"), ("local", "s1")):
        async with session(gateway, tenant, query) as connected:
            await connected.hear("ready")
            hashes.add(await gateway.client.hget(keys.session_keys(id).state, "resume_token"))
    assert len(hashes) == 3, "it names the stored session"


async def test_conversations_of_one_id_do_not_meet(gateway: Gateway, made: dict[str, str]) -> None:
    bus = bus_on(gateway.client)
    url = gateway.url.replace("http", "ws") + "/v1/stt/conversations/board?unsettled=true"
    async with (
        client(gateway, "acme") as acme,
        client(gateway, "other") as other,
        line(url, additional_headers={"tenant": "acme"}) as viewer,
        line(url, additional_headers={"tenant": "other"}) as stranger,
    ):
        await stranger.hear("following")
        await bus.conversations.send(said("other", "words of the other"))
        heard = await stranger.hear("utterance")
        assert (heard["text"], heard["seq"]) == ("words of the other", 1)
        assert "acme" not in str(heard)
        assert "maker" not in heard
        assert (await viewer.hear("utterance"))["text"] == "the secret of the board"
        await bus.conversations.send(said("acme", "more", 2))
        assert (await viewer.hear("utterance"))["text"] == "more"

        async def both_stored() -> bool:
            pages = [await one.get("/v1/stt/conversations/board") for one in (acme, other)]
            found = [[(one["number"], one["text"]) for one in page.json()["utterances"]] for page in pages]
            return found == [[(1, "the secret of the board"), (2, "more")], [(1, "words of the other")]]

        await until(both_stored)
        with pytest.raises(TimeoutError):
            await stranger.hear("utterance", 0.3)


async def test_a_deletion_leaves_what_another_tenant_calls_the_same(gateway: Gateway, made: dict[str, str]) -> None:
    bus = bus_on(gateway.client)
    await bus.conversations.send(said("other", "words of the other"))
    theirs = stored_id("ann", said("other", "").instance)
    async with client(gateway, "acme") as acme, client(gateway, "other") as other:
        await until(lambda: has(other, theirs))
        assert (await acme.delete(f"{TRANSCRIPTS}/{made['live']}")).status_code == 204
        assert (await acme.get("/v1/stt/conversations/board")).json()["utterances"] == []
        assert [one.text for one in await bus.conversations.newest("acme", "board", 9)] == []
        assert [one.text for one in await bus.conversations.newest("other", "board", 9)] == ["words of the other"]
        assert len((await other.get("/v1/stt/conversations/board")).json()["utterances"]) == 1


async def test_without_the_scope_read_a_key_reaches_what_it_has_made(gateway: Gateway, made: dict[str, str]) -> None:
    bus = bus_on(gateway.client)
    await bus.conversations.send(said("acme", "words of k2", key="k2"))
    live = stored_id("ann", said("acme", "", key="k2").instance)
    own = {"key": "k2", "scopes": "jobs,read:own,delete"}
    async with client(gateway, "acme", **own) as keyed, client(gateway, "acme") as whole:
        await until(lambda: has(keyed, live))
        job, replayed = await post(keyed)
        assert not replayed, "k1 has made the transcript of this file"
        await finished(gateway, keyed, job, "the words of k2")
        assert await listed(keyed) == {job, live}
        assert await listed(keyed, query="words") == {job, live}
        assert await listed(whole) == {job, live, made["ended"], made["live"]}
        for method, path in addresses(job=made["ended"], transcript=made["live"]):
            # Those need other scopes.
            if "conversations" not in path and "speakers" not in path:
                answer = await keyed.request(method, path, json=edit_of(method, path))
                assert answer.status_code == 404, (method, path)
        assert (await keyed.delete(f"{TRANSCRIPTS}/{live}")).status_code == 204
        assert await listed(whole) == {job, made["ended"], made["live"]}


async def test_a_client_without_keys_is_the_tenant_local(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path / "spool") as gateway:
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            job, _ = await post(http)
        config: Any = (await bus_on(redis_client).jobs.state(job)).config  # type: ignore[union-attr]
        assert config.maker == Maker("local", "")
        async with websockets.connect(gateway.stream("session_id=s1")):
            await until(lambda: redis_client.exists(keys.session_keys_of("local", "s1").state))
            assert keys.session_keys_of("local", "s1") == keys.session_keys("s1")
            await asyncio.sleep(0)
