"""No log holds what people say, send or search, at any level."""

import asyncio
import base64
import contextlib
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from chaos.oracle import speech
from support.file_client import finished, post
from support.gateway_harness import STOP, line, until
from support.process_suite import Suite, running_suite, wav, words_of

# Three processes start in some of them.
pytestmark = [pytest.mark.contract, pytest.mark.timeout(240)]

SPOKEN = speech([8], [300])


async def test_no_log_holds_what_people_sent(redis_url: str, tmp_path: Path) -> None:
    async with running_suite(tmp_path, redis_url, LOG_LEVEL="DEBUG") as suite:
        token = await talk(suite)
        async with httpx2.AsyncClient(base_url=suite.url, trust_env=False, timeout=20) as http:
            http.headers.update({"Authorization": "Token SECRETKEY", "Idempotency-Key": "SECRETIDEM"})
            job_id = await post(http, "SECRETFILE.wav", wav(SPOKEN), prompt="SECRETFORMPROMPT")
            await finished(http, job_id)
            path = f"/v1/stt/transcripts/{job_id}"
            await until(lambda: stored(http, path))
            assert (await http.patch(path, json={"title": "SECRETTITLE"})).status_code == 200
            await http.get("/v1/stt/transcripts?query=SECRETQUERY")
            await http.get("/v1/stt/transcripts?wrong=SECRETWRONG")
            await http.post("/v1/stt/jobs", files={"file": ("SECRETEMPTY.wav", b"")})
            await http.post("/v1/stt/jobs", content=b"SECRETBODY", headers={"Content-Type": "multipart/form-data"})
        await asyncio.to_thread(abort_upload, suite)
        await until(lambda: "upload aborted" in suite.logs())
        # Nothing of it waits for anybody.
        assert not list((tmp_path / "spool").glob("*.part"))
        logs = suite.logs()
    found = [text for text in ("SECRET", token, "U0VDUkVU", *words_of(SPOKEN)) if text in logs]
    assert found == [], [entry for entry in logs.splitlines() if any(text in entry for text in found)][:5]
    entries = [json.loads(entry) for entry in logs.splitlines()]
    assert len([entry for entry in entries if entry["event"] == "upload aborted"]) == 1
    assert [entry for entry in entries if "exception" in entry] == []


async def stored(http: httpx2.AsyncClient, path: str) -> bool:
    return (await http.get(path)).status_code == 200


async def talk(suite: Suite) -> str:
    """A session from beginning to end; answers its resume token."""
    query = "language=en&conversation_id=SECRETCONV&speaker=SECRETSPEAKER&prompt=SECRETPROMPT&store=true"
    async with line(f"{suite.replicas[0].url}?{query}") as client:
        token = (await client.hear("ready"))["resume_token"]
        await client.send(SPOKEN.samples.tobytes(), STOP)
        await client.hear("done", 30)
        assert client.of("final")
    async with line(f"{suite.replicas[0].url}?prompt=SECRETBAD&nonsense=SECRETNONSENSE") as client:
        await client.hear("error")
    carried = base64.urlsafe_b64encode(b"prompt=SECRETCARRIED").decode().rstrip("=")
    offers = ["bearer", "SECRETKEY", f"query.{carried}"]
    async with line(f"{suite.replicas[0].url}?token=SECRETTOKEN&apikey=SECRETAPIKEY", subprotocols=offers) as client:
        await client.hear("ready")
    async with line(suite.replicas[0].url, subprotocols=["stt", "query.SECRET!"]) as client:
        await client.hear("error")
    resume = "session_id=s1&resume_token=SECRETRESUME&last_event=1"
    async with line(f"{suite.replicas[0].url}?{resume}", additional_headers={"Cookie": "SECRETCOOKIE"}) as client:
        await client.hear("error")
    return str(token)


def abort_upload(suite: Suite) -> None:
    """A client that leaves in the middle of its file."""
    head = (
        "POST /v1/stt/jobs?prompt=SECRETQUERYPROMPT HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token SECRETKEY\r\n"
        "Content-Type: multipart/form-data; boundary=X\r\nContent-Length: 2000\r\n\r\n"
        '--X\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nSECRETFIELD\r\n'
        '--X\r\nContent-Disposition: form-data; name="file"; filename="SECRETNAME.wav"\r\n\r\nSECRETAUDIO'
    )
    with socket.create_connection(("127.0.0.1", urlsplit(suite.url).port or 0)) as client:
        client.sendall(head.encode())
        with contextlib.suppress(TimeoutError):
            client.settimeout(0.3)
            client.recv(1)
