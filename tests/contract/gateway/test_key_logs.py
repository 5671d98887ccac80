"""No log of a gateway holds a credential, at any level."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import httpx2
import pytest
import websockets
from redis.asyncio import Redis
from support.gateway_harness import Workers, line, until
from support.key_samples import open_key_store, stored_key
from support.ports import free_port

from stt_gateway.core.requests.api_key import WrittenKey
from stt_gateway.core.requests.principal import Scope

pytestmark = pytest.mark.contract


async def test_no_log_holds_a_credential(redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers) -> None:
    store = await open_key_store(tmp_path / "data")
    key = await stored_key(store, *Scope)
    wrong = WrittenKey(key.id, "SECRET" + "x" * 37)
    port, log = free_port(), tmp_path / "log"
    env = {
        **os.environ,
        "AUTH": "keys",
        "API_KEY_IN_QUERY": "true",
        "LOG_LEVEL": "DEBUG",
        "REDIS_URL": redis_url,
        "PORT": str(port),
        "DATA_DIR": str(tmp_path / "data"),
        "SPOOL_DIR": str(tmp_path / "spool"),
    }
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stt_gateway", env=env, stderr=stderr, stdout=stderr
        )
    try:
        base = f"127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=f"http://{base}/v1/stt", trust_env=False) as http:

            async def is_up() -> bool:
                with contextlib.suppress(httpx2.TransportError):
                    return (await http.get("/transcripts", headers={"X-API-Key": key.text})).status_code == 200
                return False

            await until(is_up, 60)
            token = (await http.post("/tokens", headers={"X-API-Key": key.text})).json()["access_token"]
            for credential in (key.text, wrong.text, token, token + "SECRET"):
                for headers in ({"Authorization": f"Bearer {credential}"}, {"X-API-Key": credential}):
                    await http.get("/transcripts", headers=headers)
                    await http.get("/nothing", headers=headers)
                    await http.post("/keys", headers=headers, content=credential.encode())
                for name in ("api_key", "access_token", "colour"):
                    await http.get("/transcripts", params={name: credential})
                    async with line(f"ws://{base}/v1/stt/stream?{name}={credential}") as client:
                        await asyncio.sleep(0.05)
                async with line(f"ws://{base}/v1/stt/stream", subprotocols=["token", credential]) as client:  # type: ignore[list-item]
                    with contextlib.suppress(websockets.ConnectionClosed):
                        await client.send(b"{")
            await http.post(f"/keys/{key.id}/rotate", headers={"X-API-Key": key.text})
            await http.delete(f"/keys/{key.id}", headers={"X-API-Key": key.text})
    finally:
        process.terminate()
        await process.wait()
        await store.close()
    logs = log.read_text()
    assert f'"key_id": "{key.id}"' in logs
    for secret in (key.secret, "SECRET", token, token.split(".")[2]):
        assert secret not in logs
