"""Gateways with AUTH=keys, and what they answer."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
from redis.asyncio import Redis

from stt_gateway.core.requests.api_key import WrittenKey
from support.gateway_harness import Gateway, line, running_gateway
from support.telephony import OPENINGS

DIALECT_CODES = {
    "invalid_api_key": "unauthorized",
    "insufficient_permissions": "forbidden",
    "INVALID_AUTH": "unauthorized",
    "INSUFFICIENT_PERMISSIONS": "forbidden",
}
"""What clients of OpenAI and of Deepgram know these errors by."""
DIALECT_PATHS = {"/v1/realtime": "session.created", "/v1/listen": None}
"""WebSockets of other protocols, which close with 1008 after each of these errors, and how they greet."""
MUTE = ("/api/stt/connect", "/v1/twilio", "/v1/asterisk")
"""WebSockets whose clients get no errors, only close codes."""


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
            if path == "/v1/twilio":  # the credential may be in what is said first
                await client.send(*OPENINGS[path])
            code = await client.rest() or 0
        return code, _code_of(client.events[0]) if client.events else ""
    # Without certificates, whose reading would take longer than all the rest.
    async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False, verify=False, timeout=10) as http:
        answer = await http.request(method, path, headers=headers)
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    return answer.status_code, _code_of(answer.json()) if "json" in answer.headers.get("content-type", "") else ""


def _code_of(body: dict[str, Any]) -> str:
    """This suite's code of an error in any protocol's form; '' for anything else."""
    error = body.get("error")
    code = (
        error.get("code")
        if isinstance(error, dict)
        else body.get("code") or body.get("variant") or body.get("err_code")
    )
    return DIALECT_CODES.get(code or "", code or "")
