"""Gateways with AUTH=keys, and what they answer."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
from redis.asyncio import Redis

from stt_gateway.core.requests.api_key import WrittenKey
from support.gateway_harness import Gateway, line, running_gateway

OPENAI_CODES = {"invalid_api_key": "unauthorized", "insufficient_permissions": "forbidden"}
"""What OpenAI's clients know these errors by."""


@contextlib.asynccontextmanager
async def keyed(client: Redis, redis_url: str, folder: Path, **settings: Any) -> AsyncIterator[Gateway]:
    """A gateway with keys; several in one folder share their database."""
    url = f"sqlite:///{folder / 'spool-data' / 'transcripts.db'}"
    async with running_gateway(
        client, redis_url, folder / "spool", **{"auth": "keys", "database_url": url, **settings}
    ) as gateway:
        yield gateway


def bearer(key: WrittenKey | str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key if isinstance(key, str) else key.text}"}


async def outcome(gateway: Gateway, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status or close code, and the code of the error."""
    if method == "WS":
        async with line(gateway.url.replace("http", "ws") + path, additional_headers=headers) as client:
            code = await client.rest() or 0
        return code, client.events[0]["code"] if client.events else ""
    # Without certificates, whose reading would take longer than all the rest.
    async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False, verify=False, timeout=10) as http:
        answer = await http.request(method, path, headers=headers)
    body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    code = body.get("error", {}).get("code", "")
    return answer.status_code, OPENAI_CODES.get(code, code)
