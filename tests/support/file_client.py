"""Files sent to a running suite, and what came of them."""

import asyncio
import time
from typing import Any

import httpx2


async def post(client: httpx2.AsyncClient, name: str, data: bytes, **fields: str) -> str:
    response = await client.post("/v1/stt/jobs", files={"file": (name, data)}, data=fields)
    assert response.status_code == 202, response.text
    body = response.json()
    assert body["status_url"] == f"/v1/stt/jobs/{body['job_id']}"
    return str(body["job_id"])


async def finished(client: httpx2.AsyncClient, job_id: str, timeout_s: float = 90) -> dict[str, Any]:
    progress = 0.0
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        view: dict[str, Any] = (await client.get(f"/v1/stt/jobs/{job_id}")).json()
        assert view["progress"] >= progress, "progress never falls"
        progress = view["progress"]
        if view["status"] in ("completed", "failed", "cancelled"):
            return view
        await asyncio.sleep(0.1)
    raise AssertionError(f"not finished: {view['status']}")
