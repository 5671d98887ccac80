"""The audit log: who deleted what, and when; never what was said, and no flood of refusals."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.routing import iter_route_contexts
from redis.asyncio import Redis
from starlette.requests import HTTPConnection
from structlog.testing import capture_logs
from support.gateway_harness import end_job, running_gateway, stand_ins, tell_status, until
from support.wiring import bus_on

from stt_gateway.app import create_app
from stt_gateway.authorize import declared_scopes
from stt_gateway.core.requests.access import SAFE_METHODS
from stt_gateway.core.requests.principal import Principal, Scope
from stt_gateway.http import audit
from stt_gateway.http.audit import AUDITED
from stt_gateway.settings import GatewaySettings
from stt_gateway.store import writer
from stt_gateway.store.writer import StoreWriter
from stt_shared.contracts.errors import SttError
from stt_shared.process.audit import AuditTrail
from stt_shared.process.tasks import cancel_and_wait

pytestmark = pytest.mark.contract

JOBS, TRANSCRIPTS = "/v1/stt/jobs", "/v1/stt/transcripts"


class ByHeader:
    """Everybody who names somebody is that; the others are refused."""

    parameters = ()

    async def __call__(self, connection: HTTPConnection) -> Principal:
        if not (name := connection.headers.get("x-who")):
            raise SttError("unauthorized", "say who you are")
        return Principal("t1", f"key-{name}", name, frozenset({Scope.READ} if name == "reader" else Scope))


@pytest.fixture
async def http(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    settings: dict[str, Any] = {"audit_log": tmp_path / "audit.log", "trusted_proxies": "127.0.0.1"}
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path / "spool", authorize=ByHeader(), **settings) as gateway,
        httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as client,
    ):
        await tell_status(redis_client, "transcriber", capacity=4, detail={"model": "base"})
        client.headers.update({"X-Who": "ann", "X-Forwarded-For": "192.0.2.7"})
        yield client


def entries(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "audit.log"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def test_who_deletes_and_renames_is_recorded_and_nothing_that_was_said(
    http: httpx2.AsyncClient, redis_client: Redis, tmp_path: Path
) -> None:
    posted = await http.post(JOBS, files={"file": ("SECRETNAME.mp3", b"ID3")})
    job_id = posted.json()["job_id"]
    await end_job(redis_client, job_id, "SECRETTEXT")
    await until(lambda: _is_stored(http, job_id))
    assert entries(tmp_path) == [], "reading and posting are no acts of administration"
    with capture_logs() as logs:
        await http.patch(f"{TRANSCRIPTS}/{job_id}", json={"title": "SECRETTITLE"})
        await http.delete(f"{TRANSCRIPTS}/{job_id}?query=SECRETQUERY")
        await http.delete(f"{JOBS}/{job_id}")
        await http.delete(f"{JOBS}/mine", headers={"X-Who": "reader"})
        del http.headers["X-Who"]
        await http.delete(f"{JOBS}/other")
    found = entries(tmp_path)
    shown = [(one["action"], one["status"], next(iter(one["target"].values())), one["key_id"]) for one in found]
    assert shown == [
        ("edit_transcript", 200, job_id, "key-ann"),
        ("delete_transcript", 204, job_id, "key-ann"),
        ("delete_job", 404, job_id, "key-ann"),
        ("delete_job", 403, "mine", "key-reader"),
        ("delete_job", 401, "other", ""),
    ]
    assert {(one["tenant"], one["client"], one["channel"]) for one in found[:3]} == {("t1", "192.0.2.7", "audit")}
    assert all(one["timestamp"].endswith("Z") for one in found)
    assert "SECRET" not in (tmp_path / "audit.log").read_text()
    assert stat.S_IMODE((tmp_path / "audit.log").stat().st_mode) == 0o600
    assert [entry for entry in logs if entry.get("channel") == "audit"] != []


async def test_nobody_can_fill_the_log_with_refusals(
    http: httpx2.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del http.headers["X-Who"]
    for number in range(audit.REFUSED_AT_ONCE + 30):
        assert (await http.delete(f"{JOBS}/{number}")).status_code == 401
    assert audit.REFUSED_AT_ONCE <= len(entries(tmp_path)) < audit.REFUSED_AT_ONCE + 20
    http.headers["X-Who"] = "ann"
    await http.delete(f"{JOBS}/none")
    assert entries(tmp_path)[-1]["refused_besides"] > 0


async def _is_stored(http: httpx2.AsyncClient, id: str) -> bool:
    return (await http.get(f"{TRANSCRIPTS}/{id}")).status_code == 200


class Expiring:
    """A store of which three transcripts expire, once."""

    def __init__(self) -> None:
        self.left = [3]

    async def purge_expired(self, _: float) -> int:
        return self.left.pop() if self.left else 0


async def test_what_expires_is_recorded_as_a_number(
    redis_client: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PURGE_EVERY_S", 0.01)
    purging = StoreWriter(bus_on(redis_client), Expiring(), "g1", 1, AuditTrail(tmp_path / "audit.log"))  # type: ignore[arg-type]
    task = asyncio.create_task(purging.purge())
    await until(lambda: entries(tmp_path))
    await cancel_and_wait(task)
    ((entry),) = entries(tmp_path)
    assert (entry["action"], entry["removed"]) == ("purge_expired", 3)


def test_every_route_that_deletes_or_administers_is_recorded() -> None:
    app = create_app(GatewaySettings(port=0))
    acting = {
        (method, route.path)
        for route in iter_route_contexts(app.routes)
        for method in getattr(route, "methods", None) or ()
        if method not in SAFE_METHODS and not AUDITED.isdisjoint(declared_scopes(route.endpoint))
    }
    assert {("DELETE", "/v1/stt/jobs/{job_id}"), ("DELETE", "/v1/stt/transcripts/{id}")} <= acting
    assert all(method != "DELETE" or (method, path) in acting for method, path in _all(app))


def _all(app: Any) -> list[tuple[str, str]]:
    return [
        (method, route.path)
        for route in iter_route_contexts(app.routes)
        for method in getattr(route, "methods", None) or ()
    ]
