"""Ids of conversations: what neither Redis nor the store keeps as it is, no route accepts."""

import httpx2
import pytest
from support.gateway_harness import Gateway, line

pytestmark = pytest.mark.contract

BAD = ["a%00", "%00", "a%09b", "a%1B%5Bm", "a%7F", "a%C2%85", "a" * 129]
GOOD = ["board", "Gr%C3%BC%C3%9Fe%20%F0%9F%8E%A4", "a%2Fb", "%7Ba%7D", "a" * 128]


@pytest.mark.parametrize("encoded", BAD)
async def test_an_id_that_would_be_changed_is_refused_everywhere(
    gateway: Gateway, http: httpx2.AsyncClient, encoded: str
) -> None:
    read = await http.get(f"/v1/stt/conversations/{encoded}")
    assert (read.status_code, read.json()["error"]["code"]) == (422, "bad_config")
    assert read.json()["error"]["message"].isprintable()
    sockets = gateway.url.replace("http", "ws")
    for url in (
        f"{sockets}/v1/stt/conversations/{encoded}",
        f"{sockets}/v1/stt/stream?conversation_id={encoded}",
        f"{sockets}/api/stt/transcribe?conversation_id={encoded}",
    ):
        async with line(url) as client:
            assert (await client.hear("error"))["code"] == "bad_config", url
            assert await client.rest() == 4502
    assert await gateway.client.keys("stt:stream:*") == await gateway.client.keys("stt:conversation*") == []


@pytest.mark.parametrize("encoded", GOOD)
async def test_other_ids_are_free(gateway: Gateway, http: httpx2.AsyncClient, encoded: str) -> None:
    assert (await http.get(f"/v1/stt/conversations/{encoded}")).status_code == 200
    sockets = gateway.url.replace("http", "ws")
    async with line(f"{sockets}/v1/stt/stream?conversation_id={encoded}") as client:
        await client.hear("ready")
    async with line(f"{sockets}/v1/stt/conversations/{encoded}") as viewer:
        await viewer.hear("following")
