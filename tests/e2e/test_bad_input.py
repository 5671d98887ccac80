"""A bad client gets one clear error with a code, and other clients notice nothing."""

import asyncio
import json

import httpx2
import pytest
from support.launched_suite import Suite
from support.live_client import as_json, chunked, talk, words
from support.recordings import BECKETT_TEXT

pytestmark = pytest.mark.e2e

BAD_MESSAGES = {
    "text that is cut off": ("", '{"type":"stop"', "bad_message"),
    "an audio message without audio": ("", '{"type":"audio"}', "bad_message"),
    "broken base64": ("", '{"type":"audio","chunk":"@@@"}', "bad_message"),
    "deep JSON": ("", "[" * 20000 + "]" * 20000, "bad_message"),
    "unknown encoding": ("?encoding=wax", b"\0\0", "bad_config"),
    "impossible rate": ("?sample_rate=1", b"\0\0", "bad_config"),
    "unknown parameter": ("?colour=red", b"\0\0", "bad_config"),
    "garbage as webm": ("?encoding=webm", b"\x17" * 60_000, "bad_audio"),
}


@pytest.mark.parametrize("name", BAD_MESSAGES)
async def test_an_error_with_a_code_and_a_matching_close(suite: Suite, name: str) -> None:
    query, message, code = BAD_MESSAGES[name]
    heard = await talk(suite.stream_url + query, [message], timeout_s=20)
    assert heard.error_code == code or (name == "garbage as webm" and heard.error_code == "unsupported_media")
    error = heard.of("error")[-1]
    assert error["message"]
    assert "Traceback" not in json.dumps(heard.events)
    assert heard.close_code is not None
    assert heard.close_code >= 4000


async def test_100_mb_in_one_message_is_refused(suite: Suite) -> None:
    heard = await talk(suite.stream_url, [bytes(100_000_000)], timeout_s=30)
    assert heard.close_code == 1009


async def test_half_a_sample_does_no_harm(suite: Suite, pcm16: bytes) -> None:
    url = suite.stream_url + "?language=en"
    odd = [pcm16[at : at + 1281] for at in range(0, len(pcm16), 1281)]
    heard = await talk(url, [*odd, b"\x01"], every_s=0.02)
    assert words(heard.text)[:2] == ["ever", "tried"]
    assert heard.events[-1]["type"] == "done"


async def test_neighbours_of_bad_clients_are_undisturbed(suite: Suite, pcm16: bytes) -> None:
    good = asyncio.create_task(
        talk(suite.stream_url + "?language=en&session_id=neighbour", chunked(pcm16, 1280), every_s=0.04)
    )
    for query, message, _ in BAD_MESSAGES.values():
        await talk(suite.stream_url + query, [as_json(b"\0\0"), message], timeout_s=20)
    heard = await good
    assert words(heard.text) == words(BECKETT_TEXT)


async def test_rest_errors_have_codes(suite: Suite) -> None:
    async with httpx2.AsyncClient(base_url=suite.url) as client:
        for response, status, code in [
            (await client.get("/v1/stt/jobs/nobody"), 404, "not_found"),
            (await client.get("/v1/stt/nothing"), 404, "not_found"),
            (await client.put("/v1/stt/jobs"), 405, "method_not_allowed"),
            (await client.post("/v1/stt/jobs", files={"file": ("empty.wav", b"")}), 400, "bad_audio"),
        ]:
            assert response.status_code == status
            assert response.json()["error"]["code"] == code
            assert response.json()["error"]["message"]
