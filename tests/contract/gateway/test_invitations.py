"""Invitations to one conversation: they open that, and nothing else."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import STOP, Gateway, Workers, line, running_gateway
from support.key_samples import guarded_routes, stored_key
from support.keyed_gateway import DIALECT_PATHS, MUTE, bearer, keyed, outcome
from support.wiring import bus_on

from stt_gateway.core.requests.api_key import WrittenKey
from stt_gateway.core.requests.invitation import InvitationClaims, write_invitation
from stt_gateway.core.requests.principal import Scope
from stt_gateway.keys.making import new_signing_secret
from stt_gateway.store.api_keys import KeyStore
from stt_shared.contracts.conversation import Utterance
from stt_shared.contracts.makers import Maker
from stt_shared.process.clock import wall_ms

pytestmark = pytest.mark.contract

BOARD = "board 7/ä"
SPEAK = f"conversation_id={quote(BOARD)}"
HOST = (Scope.READ, Scope.STREAM)


@pytest.fixture
async def host(key_store: KeyStore) -> WrittenKey:
    return await stored_key(key_store, *HOST)


def conversation(gateway: Gateway, id: str = BOARD) -> str:
    return f"{gateway.url.replace('http', 'ws')}/v1/stt/conversations/{quote(id, safe='')}"


async def invite(
    gateway: Gateway, key: WrittenKey | str, body: dict[str, Any] | None = None, id: str = BOARD
) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
        return await http.post("/v1/stt/invitations", json={"conversation_id": id, **(body or {})}, headers=bearer(key))


async def invitation(gateway: Gateway, key: WrittenKey, **body: Any) -> str:
    answer = await invite(gateway, key, body)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["invitation"]
    return made


async def made_invitation(store: KeyStore, key: WrittenKey, left_ms: float = 60_000, speak: bool = True) -> str:
    """As a gateway with this store would have made it."""
    secret = await store.signing_secret(new_signing_secret())
    now_ms = int(wall_ms())
    return write_invitation(InvitationClaims(key.id, BOARD, speak, now_ms, int(now_ms + left_ms)), secret)


async def refusal(url: str, credential: str) -> tuple[int | None, str]:
    """Close code and code of the error."""
    async with line(url, additional_headers=bearer(credential)) as client:
        code = await client.rest()
        return code, client.events[0].get("code", "")


async def test_it_says_what_it_is_good_for(keyed_gateway: Gateway, host: WrittenKey) -> None:
    answer = (await invite(keyed_gateway, host, {"speak": True, "expires_in": 3600})).json()
    assert {name: answer[name] for name in ("conversation_id", "speak", "expires_in")} == {
        "conversation_id": BOARD,
        "speak": True,
        "expires_in": 3600,
    }
    answer = (await invite(keyed_gateway, host)).json()
    assert (answer["speak"], answer["expires_in"]) == (False, 24 * 3600)


async def test_readers_read_their_conversation_of_their_tenant(
    keyed_gateway: Gateway, host: WrittenKey, redis_client: Redis
) -> None:
    reading = await invitation(keyed_gateway, host)
    bus = bus_on(redis_client)
    for tenant, text in (("acme", "ours"), ("other", "theirs")):
        await bus.conversations.send(
            Utterance(
                conversation_id=BOARD,
                session_id="ann",
                instance=f"{tenant}-i",
                utterance=1,
                speaker="Ann",
                text=text,
                language="en",
                confidence=0.9,
                spoken_ms=int(wall_ms()) - 1000,
                start_ms=0,
                end_ms=500,
                maker=Maker(tenant, "k1"),
            )
        )
    async with line(conversation(keyed_gateway), subprotocols=["bearer", reading]) as viewer:  # type: ignore[list-item]
        assert (await viewer.hear("utterance"))["text"] == "ours"
        assert viewer.socket.subprotocol == "bearer"
    assert await refusal(keyed_gateway.stream(SPEAK), reading) == (4511, "forbidden")


async def test_speakers_speak_in_their_conversation(keyed_gateway: Gateway, host: WrittenKey, workers: Workers) -> None:
    speaking = await invitation(keyed_gateway, host, speak=True)
    async with (
        line(conversation(keyed_gateway), additional_headers=bearer(speaking)) as viewer,
        line(keyed_gateway.stream(f"{SPEAK}&session_id=guest"), additional_headers=bearer(speaking)) as speaker,
    ):
        await viewer.hear("following")
        assert (await speaker.hear("ready"))["config"]["conversation_id"] == BOARD
        await speaker.send(STOP)
        assert await speaker.rest() == 1000
    hand = await workers.hand()
    assert (hand.config["conversation_id"], hand.owner.keys.tenant) == (BOARD, "acme")


async def test_it_opens_no_other_conversation_and_no_other_session(keyed_gateway: Gateway, host: WrittenKey) -> None:
    speaking = await invitation(keyed_gateway, host, speak=True)
    forbidden = (4511, "forbidden")
    for id in ("other", f"{BOARD}/", BOARD.upper()):
        assert await refusal(conversation(keyed_gateway, id), speaking) == forbidden
    for query in ("", "conversation_id=other", f"{SPEAK}&store=true", f"{SPEAK}&known_speakers=true"):
        assert await refusal(keyed_gateway.stream(query), speaking) == forbidden
    # Not even with the resume token of a session in another conversation, which goes on undisturbed.
    async with line(
        keyed_gateway.stream("session_id=s1&conversation_id=other"), additional_headers=bearer(host)
    ) as theirs:
        token = (await theirs.hear("ready"))["resume_token"]
        await theirs.send(bytes(3200))
        resuming = keyed_gateway.stream(f"{SPEAK}&session_id=s1&resume_token={token}")
        assert await refusal(resuming, speaking) == forbidden
        await theirs.send(STOP)
        assert await theirs.rest() == 1000
    # Its own it resumes.
    async with line(keyed_gateway.stream(f"{SPEAK}&session_id=s2"), additional_headers=bearer(speaking)) as own:
        token = (await own.hear("ready"))["resume_token"]
        await own.send(bytes(3200))
    resuming = keyed_gateway.stream(f"{SPEAK}&session_id=s2&resume_token={token}")
    async with line(resuming, additional_headers=bearer(speaking)) as own:
        assert (await own.hear("ready"))["resumed"] is True


async def test_it_opens_no_other_route_whatever_its_key_may(
    keyed_gateway: Gateway, key_store: KeyStore, redis_client: Redis
) -> None:
    boss = await stored_key(key_store, *Scope)
    speaking = await invitation(keyed_gateway, boss, speak=True)
    keys_before = {key for key in await redis_client.keys() if b"replica" not in key and b"quotas" not in key}
    tried = 0
    for method, path, _ in guarded_routes():
        code = 403 if method != "WS" else 1008 if path in DIALECT_PATHS else 4511
        wanted = (code, "" if path in MUTE else "forbidden")
        assert await outcome(keyed_gateway, method, path, bearer(speaking)) == wanted, path
        tried += 1
    assert tried > 25
    assert {key for key in await redis_client.keys() if b"replica" not in key and b"quotas" not in key} == keys_before
    async with httpx2.AsyncClient(base_url=keyed_gateway.url, trust_env=False) as http:
        assert set((await http.get("/health", headers=bearer(speaking))).json()) == {"status", "services"}


async def test_who_may_invite(keyed_gateway: Gateway, key_store: KeyStore, host: WrittenKey) -> None:
    reader = await stored_key(key_store, Scope.READ)
    assert (await invite(keyed_gateway, reader)).status_code == 201
    assert (await invite(keyed_gateway, reader, {"speak": True})).status_code == 403
    assert (await invite(keyed_gateway, await stored_key(key_store, *(set(Scope) - {Scope.READ})))).status_code == 403
    assert (await invite(keyed_gateway, await invitation(keyed_gateway, host))).status_code == 403
    async with httpx2.AsyncClient(base_url=keyed_gateway.url, trust_env=False) as http:
        token = (await http.post("/v1/stt/tokens", headers=bearer(host))).json()["access_token"]
    assert (await invite(keyed_gateway, token)).status_code == 403
    for body in ({"expires_in": 59}, {"expires_in": 30 * 24 * 3600 + 1}, {"speak": 1}, {"who": "Ann"}):
        assert (await invite(keyed_gateway, host, body)).status_code == 422, body
    assert (await invite(keyed_gateway, host, id="x" * 129)).status_code == 422


async def test_what_is_open_with_it_ends_with_it(keyed_gateway: Gateway, key_store: KeyStore, host: WrittenKey) -> None:
    brief = await made_invitation(key_store, host, left_ms=1500)
    async with (
        line(conversation(keyed_gateway), additional_headers=bearer(brief)) as viewer,
        line(keyed_gateway.stream(SPEAK), additional_headers=bearer(brief)) as speaker,
    ):
        await viewer.hear("following")
        await speaker.hear("ready")
        for client in (viewer, speaker):
            assert await client.rest(30) == 4510
            assert "expired" in client.events[-1]["message"]
    assert await refusal(conversation(keyed_gateway), brief) == (4510, "unauthorized")


@pytest.mark.parametrize("change", ["revoke", "rotate"])
async def test_it_ends_with_its_key(keyed_gateway: Gateway, key_store: KeyStore, host: WrittenKey, change: str) -> None:
    admin = bearer(await stored_key(key_store, Scope.ADMIN))
    reading = await invitation(keyed_gateway, host)
    async with (
        line(conversation(keyed_gateway), additional_headers=bearer(reading)) as viewer,
        httpx2.AsyncClient(base_url=keyed_gateway.url, trust_env=False, headers=admin) as http,
    ):
        await viewer.hear("following")
        if change == "revoke":
            await http.delete(f"/v1/stt/keys/{host.id}")
        else:
            await http.post(f"/v1/stt/keys/{host.id}/rotate")
        assert await viewer.rest(30) == 4510
    assert await refusal(conversation(keyed_gateway), reading) == (4510, "unauthorized")


async def test_it_may_stand_in_an_address_only_where_keys_may(
    keyed_gateway: Gateway, host: WrittenKey, redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    reading = await invitation(keyed_gateway, host)
    for name in ("access_token", "api_key"):
        async with line(f"{conversation(keyed_gateway)}?{name}={reading}") as client:
            assert "must not stand in the address" in (await client.hear("error"))["message"]
    async with keyed(redis_client, redis_url, tmp_path, api_key_in_query=True) as allowing:
        async with line(f"{conversation(allowing)}?api_key={reading}") as client:
            await client.hear("following")


async def test_without_keys_there_is_nothing_to_invite_to(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path / "spool") as gateway:
        answer = await invite(gateway, "stt_whatever")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
        assert "AUTH=keys" in answer.json()["error"]["message"]
