"""Clients that can set no header: credentials for a proxy and parameters of a session travel otherwise."""

import base64
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import STOP, Gateway, Workers, line, running_gateway

import stt_client

pytestmark = pytest.mark.contract


def query(text: str) -> str:
    return "query." + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


async def test_a_name_among_the_offers_is_answered_on_every_websocket(gateway: Gateway) -> None:
    for path in ("/v1/stt/stream", "/v1/stt/conversations/board", "/api/stt/transcribe", "/api/stt/connect"):
        url = gateway.url.replace("http", "ws") + path
        async with line(url, subprotocols=["bearer", "s3cr3t-0123456789abcdef"]) as client:
            assert client.socket.subprotocol == "bearer"
    async with line(gateway.stream(), subprotocols=["0123456789abcdef0123456789abcdef"]) as client:
        assert client.socket.subprotocol is None
        await client.hear("ready")


async def test_parameters_are_the_same_in_an_offer_and_in_the_query(gateway: Gateway, workers: Workers) -> None:
    token = "chosen-by-the-client"
    opening = [f"resume_token={token}&committed_ms=0", "prompt=Ann%20%26%20Bob"]
    url = gateway.stream("session_id=s1&language=de")
    async with line(url, subprotocols=["stt", *map(query, opening)]) as client:
        ready = await client.hear("ready")
        assert client.socket.subprotocol == "stt"
        assert (ready["resume_token"], ready["config"]["language"]) == (token, "de")
        assert ready["config"]["prompt"] == "Ann & Bob"
        await client.send(bytes(3200))
        await workers.hand("s1")
        client.socket.transport.abort()
    resuming = f"resume_token={token}&last_event=1"
    async with line(gateway.stream("session_id=s1"), subprotocols=["stt", query(resuming)]) as client:
        assert (await client.hear("ready"))["resumed"] is True
        await client.send(STOP)
        assert await client.rest() == 1000


async def test_the_client_library_opens_a_session_with_its_parameters_in_an_offer(gateway: Gateway) -> None:
    url = gateway.url.replace("http", "ws")
    async with stt_client.connect(url, session_id="s1", language="de", parameters={"prompt": "Ann & Bob"}) as session:
        assert (session.config["prompt"], session.config["language"]) == ("Ann & Bob", "de")


async def test_what_is_wrong_in_an_offer_is_told_like_in_the_query(gateway: Gateway) -> None:
    for url, offer, said in [
        (gateway.stream("language=de"), query("language=de"), "language is given twice"),
        (gateway.stream(), query("colour=red"), "unknown parameter 'colour'"),
        (gateway.stream(), "query.***", "base64url"),
        (gateway.url.replace("http", "ws") + "/v1/stt/conversations/board", "query.***", "base64url"),
    ]:
        async with line(url, subprotocols=["stt", offer]) as client:
            error = await client.hear("error")
            assert (error["code"], await client.rest()) == ("bad_config", 4502)
            assert said in error["message"]


async def test_parameters_for_a_proxy_are_ignored(gateway: Gateway) -> None:
    async with line(gateway.stream("token=abc&language=en&apikey=def&token=ghi")) as client:
        assert (await client.hear("ready"))["config"]["language"] == "en"
    async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False, timeout=10) as http:
        assert (await http.get("/v1/stt/transcripts?access_token=abc")).status_code == 200
        assert (await http.get("/v1/stt/transcripts?colour=red")).status_code == 422


async def test_a_setting_names_the_parameters_to_ignore(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path, ignored_parameters="sig, utm_source") as gateway:
        async with line(gateway.stream("sig=abc&utm_source=mail")) as client:
            await client.hear("ready")
        async with line(gateway.stream("token=abc")) as client:
            assert "unknown parameter 'token'" in (await client.hear("error"))["message"]
