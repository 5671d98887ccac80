"""Secrets with which a page opens a session of OpenAI's Realtime API."""

import json
from typing import Any

import httpx2
import pytest
from support.gateway_harness import Gateway, Workers, line
from support.key_samples import stored_key
from support.keyed_gateway import bearer

from stt_gateway.core.requests.api_key import WrittenKey
from stt_gateway.core.requests.principal import Scope
from stt_gateway.store.api_keys import KeyStore
from stt_shared.process.clock import wall_ms

pytestmark = pytest.mark.contract

SESSION = {
    "type": "transcription",
    "audio": {"input": {"transcription": {"language": "fr", "model": "whisper-1"}, "turn_detection": None}},
    "unknown": 1,
}
AUDIO = json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA" * 3200})


async def post(gateway: Gateway, path: str, body: Any, key: WrittenKey | str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
        return await http.post(f"/v1/realtime/{path}", json=body, headers=bearer(key))


def realtime(gateway: Gateway) -> str:
    return gateway.url.replace("http", "ws") + "/v1/realtime"


async def test_a_page_opens_the_session_that_its_secret_was_made_for(
    keyed_gateway: Gateway, key_store: KeyStore, workers: Workers
) -> None:
    key = await stored_key(key_store, Scope.STREAM)
    made = (
        await post(keyed_gateway, "client_secrets", {"expires_after": {"seconds": 60}, "session": SESSION}, key)
    ).json()
    assert made["value"].startswith("ek_")
    assert 50 < made["expires_at"] - wall_ms() / 1000 <= 60
    assert made["session"]["audio"]["input"]["transcription"]["language"] == "fr"
    offers = ["realtime", f"openai-insecure-api-key.{made['value']}"]
    async with line(realtime(keyed_gateway), subprotocols=offers) as client:
        assert client.socket.subprotocol == "realtime"
        session = (await client.hear("session.created"))["session"]
        assert session["audio"]["input"]["turn_detection"] is None
        await client.send(AUDIO)
        assert (await workers.hand()).config["language"] == "fr"
    async with line(realtime(keyed_gateway), additional_headers=bearer(made["value"])) as client:
        await client.hear("session.created")


async def test_the_beta_has_its_own_form(keyed_gateway: Gateway, key_store: KeyStore) -> None:
    key = await stored_key(key_store, Scope.STREAM)
    flat = {"input_audio_format": "g711_alaw", "turn_detection": None, "input_audio_transcription": {"language": "fr"}}
    made = (await post(keyed_gateway, "transcription_sessions", flat, key)).json()
    assert (made["input_audio_format"], made["turn_detection"]) == ("g711_alaw", None)
    offers = ["realtime", f"openai-insecure-api-key.{made['client_secret']['value']}", "openai-beta.realtime-v1"]
    async with line(realtime(keyed_gateway), subprotocols=offers) as client:
        assert (await client.hear("transcription_session.created"))["session"]["input_audio_format"] == "g711_alaw"


async def test_a_secret_opens_sessions_and_nothing_else(keyed_gateway: Gateway, key_store: KeyStore) -> None:
    key = await stored_key(key_store, *Scope)
    value = (await post(keyed_gateway, "client_secrets", {}, key)).json()["value"]
    refused = await post(keyed_gateway, "client_secrets", {}, value)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "insufficient_permissions")
    async with httpx2.AsyncClient(base_url=keyed_gateway.url, trust_env=False) as http:
        assert (await http.get("/v1/stt/transcripts", headers=bearer(value))).status_code == 403
    session, _, token = value.partition(".")
    for forged in (f"{session}.stt1.e30.AAAA", session, f"ek_%%%.{token}x"):
        async with line(realtime(keyed_gateway), additional_headers=bearer(forged)) as client:
            assert await client.rest() == 1008
        assert client.events[-1]["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"session": {"type": "realtime"}}, 422, "bad_config", "type"),
        ({"session": {"audio": {"input": {"transcription": {"language": "klingon"}}}}}, 422, "bad_config",
         "session.audio.input.transcription.language"),
        ({"session": {"audio": {"input": {"transcription": {"prompt": "x" * 9000}}}}}, 422, "bad_config", "session"),
        ([], 422, "bad_config", None),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_request_is_told_in_openais_form(
    gateway: Gateway, body: Any, status: int, code: str, param: str | None
) -> None:
    answer = await post(gateway, "client_secrets", body, "none")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)


async def test_without_keys_a_secret_still_carries_its_session(gateway: Gateway) -> None:
    made = (await post(gateway, "client_secrets", {"session": SESSION}, "none")).json()
    async with line(realtime(gateway), subprotocols=["realtime", f"openai-insecure-api-key.{made['value']}"]) as client:
        session = (await client.hear("session.created"))["session"]
    assert session["audio"]["input"]["transcription"]["language"] == "fr"
