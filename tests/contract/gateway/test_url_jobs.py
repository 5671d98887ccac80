"""Jobs whose file is at a URL, at gateways that serve."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from redis.asyncio import Redis
from support.gateway_harness import Gateway, running_gateway, stand_ins, until
from support.key_samples import open_key_store, stored_key
from support.keyed_gateway import bearer, keyed
from support.posted_jobs import AUDIO, JOBS, assert_refused
from support.receiver import Answer, Receiver, receiver
from support.wiring import bus_on, open_bus

from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.quotas import Quotas
from stt_gateway.outbound import fetches
from stt_gateway.outbound.fetches import FileFetcher
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.jobs import FetchOrder, JobConfig
from stt_shared.contracts.session import encode_json
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.fetches import Fetch
from stt_shared.streams.jobs import NewJob

pytestmark = pytest.mark.contract

ALLOWING: dict[str, Any] = {"outbound_networks": "127.0.0.1", "outbound_http": True}
TYPE = {"content-type": "audio/mpeg"}


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as found:
        found.answer = lambda _: Answer(200, TYPE, AUDIO)
        yield found


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetches, "DELAYS_S", (0.05,))
    monkeypatch.setattr(fetches, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(fetches, "TELL_EVERY_S", 0.05)


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    settings = ALLOWING | {"max_upload_bytes": 100_000}
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path, **settings) as gateway:
        yield gateway


async def asked(http: httpx2.AsyncClient, url: str, **more: Any) -> str:
    response = await http.post(JOBS, json={"url": url, **more})
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


async def becomes(http: httpx2.AsyncClient, job_id: str, status: str) -> dict[str, Any]:
    async def has_it() -> dict[str, Any] | None:
        view: dict[str, Any] = (await http.get(f"{JOBS}/{job_id}")).json()
        assert view["status"] in ("fetching", status), view
        return view if view["status"] == status else None

    found: dict[str, Any] = await until(has_it, 30)
    return found


async def test_the_file_is_fetched_and_its_job_begins(
    gateway: Gateway, http: httpx2.AsyncClient, server: Receiver
) -> None:
    job_id = await asked(http, f"{server.url}/a/talk%20one.mp3?token=hidden", language="en", keyterms=["Fisichella"])
    assert (await becomes(http, job_id, "queued"))["filename"] == "talk one.mp3"
    state = await bus_on(gateway.client).jobs.state(job_id)
    assert state is not None
    assert (state.config.size_bytes, state.config.language, state.config.keyterms) == (
        len(AUDIO),
        "en",
        ("Fisichella",),
    )
    assert [path.name for path in gateway.spooled] == [state.config.spool_name]
    assert gateway.spooled[0].read_bytes() == AUDIO
    assert gateway.spooled[0].stat().st_mode & 0o077 == 0
    await until(lambda: gateway.client.hexists(keys.JOBS_ADMITTED, job_id))
    kept = await gateway.client.hgetall(keys.job_keys(job_id).state)
    assert not any(b"hidden" in value for value in kept.values()), "the URL is forgotten when the file is here"
    assert 'stt_fetches_total{outcome="fetched"' in (await http.get("/metrics")).text


@pytest.mark.parametrize("kind", ["form", "multipart", "query"])
async def test_the_url_may_be_a_field_too(http: httpx2.AsyncClient, server: Receiver, kind: str) -> None:
    server.answer = lambda _: Answer(200, {"content-disposition": 'attachment; filename="call 7.ogg"'}, AUDIO)
    fields = {"url": f"{server.url}/secret-path", "language": "de"}
    match kind:
        case "form":
            response = await http.post(JOBS, data=fields)
        case "multipart":
            response = await http.post(JOBS, files={name: (None, value) for name, value in fields.items()})
        case _:
            response = await http.post(JOBS, params=fields, json={})
    assert response.status_code == 202, response.text
    assert (await becomes(http, response.json()["job_id"], "queued"))["filename"] == "call 7.ogg"


async def test_how_far_it_is_is_told_and_a_cancelled_one_stops(
    gateway: Gateway, http: httpx2.AsyncClient, server: Receiver
) -> None:
    server.answer = lambda _: Answer(200, TYPE, AUDIO, slow_s=0.01)
    job_id = await asked(http, f"{server.url}/talk.mp3")

    async def half_way() -> bool:
        view = (await http.get(f"{JOBS}/{job_id}")).json()
        assert view["status"] == "fetching"
        return view["fetched_bytes"] > 0 and view["total_bytes"] == len(AUDIO)

    await until(half_way)
    assert [path.suffix for path in gateway.spooled] == [".part"]
    view = (await http.post(f"{JOBS}/{job_id}/cancel")).json()
    assert view["status"] == "cancelled"
    assert "fetched_bytes" not in view
    await until(lambda: not gateway.spooled)


@pytest.mark.parametrize(
    ("answer", "code", "why"),
    [
        (Answer(404), "fetch_failed", "the server of the url answered 404"),
        (Answer(200, {"content-type": "text/html; charset=utf-8"}, b"<p>"), "fetch_failed", "leads to text/html, not"),
        (Answer(200, TYPE), "fetch_failed", "is empty"),
        (Answer(200, TYPE, bytes(100_001)), "too_large", "more than 100000 bytes"),
        (Answer(302, {"location": "http://127.0.0.9/"}), "fetch_failed", "OUTBOUND_NETWORKS does not allow"),
        (Answer(302, {"location": "ftp://127.0.0.1/"}), "fetch_failed", "must be an https:// URL"),
        (Answer(302, {"location": "/again"}), "fetch_failed", "one redirect after another"),
        (Answer(304), "fetch_failed", "answered 304 without saying where"),
    ],
)
async def test_why_a_file_did_not_come(
    gateway: Gateway, http: httpx2.AsyncClient, server: Receiver, answer: Answer, code: str, why: str
) -> None:
    server.answer = lambda _: answer
    job_id = await asked(http, f"{server.url}/talk.mp3")
    error = (await becomes(http, job_id, "failed"))["error"]
    assert error["code"] == code
    assert why in error["message"]
    assert not gateway.spooled


async def test_what_may_pass_is_tried_again(http: httpx2.AsyncClient, server: Receiver) -> None:
    server.answer = lambda _: Answer(503) if len(server.requests) < 3 else Answer(200, TYPE, AUDIO)
    await becomes(http, await asked(http, server.url), "queued")
    assert len(server.requests) == 3


async def test_but_not_for_ever(http: httpx2.AsyncClient, server: Receiver) -> None:
    server.answer = lambda _: Answer(503)
    error = (await becomes(http, await asked(http, server.url), "failed"))["error"]
    assert error == {"code": "fetch_failed", "message": "the server of the url answered 503"}
    assert len(server.requests) == fetches.ATTEMPTS


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of this machine on Linux alone")
async def test_a_redirect_is_followed_and_gets_no_credentials_of_another_host(
    redis_client: Redis, redis_url: str, tmp_path: Path, server: Receiver
) -> None:
    settings = ALLOWING | {"outbound_networks": "127.0.0.0/30"}
    with receiver("127.0.0.2") as other:
        server.answer = lambda _: Answer(302, {"location": f"{other.url}/x.mp3"})
        other.answer = lambda _: Answer(200, TYPE, AUDIO)
        async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path, **settings) as gateway:
            async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
                await becomes(http, await asked(http, server.url.replace("//", "//ann:hidden@")), "queued")
        assert server.requests[0].headers["authorization"].startswith("Basic ")
        assert "authorization" not in other.requests[0].headers


async def test_a_file_that_comes_too_slowly_is_given_up(
    redis_client: Redis, redis_url: str, tmp_path: Path, server: Receiver
) -> None:
    server.answer = lambda _: Answer(200, TYPE, AUDIO, slow_s=0.05)
    settings = ALLOWING | {"fetch_timeout_s": 0.3}
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path, **settings) as gateway:
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            error = (await becomes(http, await asked(http, server.url), "failed"))["error"]
    assert error == {"code": "fetch_failed", "message": "the file at the url did not come within 0.3 s"}
    assert not gateway.spooled


async def test_while_the_spool_folder_is_full_it_waits(
    redis_client: Redis, redis_url: str, tmp_path: Path, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetches, "NO_ROOM_MS", 100)
    settings = ALLOWING | {"max_spool_bytes": len(AUDIO) + 100}
    full = tmp_path / "taken-taken-taken-taken"
    full.write_bytes(bytes(200))
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path, **settings) as gateway:
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            job_id = await asked(http, server.url)
            await until(lambda: len(server.requests) > fetches.ATTEMPTS, 30)
            assert (await http.get(f"{JOBS}/{job_id}")).json()["status"] == "fetching"
            full.unlink()
            await becomes(http, job_id, "queued")


async def new_fetch(bus: Bus, job_id: str, url: str) -> None:
    config, order = encode_json(JobConfig(job_id)), encode_json(FetchOrder(url))
    await bus.jobs.create([NewJob(job_id, "e1", config, order)], 0)


async def test_when_a_gateway_dies_another_begins_again(
    redis_client: Redis, redis_url: str, tmp_path: Path, server: Receiver
) -> None:
    settings = GatewaySettings(redis_url=redis_url, spool_dir=tmp_path, data_dir=tmp_path, **ALLOWING)
    server.answer = lambda _: Answer(200, TYPE, AUDIO, slow_s=0.01 if len(server.requests) == 1 else 0.0)

    async def free(_fetch: Fetch, _size_bytes: int) -> None:
        pass

    async with open_bus(redis_client) as bus:
        await new_fetch(bus, "j" * 32, server.url)
        first = asyncio.create_task(FileFetcher(bus, settings, free, lease_ms=400).run())
        await until(lambda: server.requests)
        await asyncio.sleep(0.6)
        assert len(server.requests) == 1, "the lease is renewed while the file comes"
        await cancel_and_wait(first)
        second = asyncio.create_task(FileFetcher(bus, settings, free, lease_ms=400).run())
        try:
            await until(lambda: (tmp_path / f"{'j' * 32}.2").exists(), 20)

            async def is_queued() -> bool:
                return await bus.jobs.status("j" * 32) == "queued"

            await until(is_queued)
        finally:
            await cancel_and_wait(second)


async def test_a_repeated_request_is_one_job(http: httpx2.AsyncClient, server: Receiver) -> None:
    async def post(url: str) -> httpx2.Response:
        return await http.post(JOBS, json={"url": url}, headers={"Idempotency-Key": "k1"})

    first, again = await post(server.url), await post(server.url)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert_refused(await post(f"{server.url}/other"), 409, "conflict")
    await becomes(http, first.json()["job_id"], "queued")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "status", "code", "why"),
    [
        ({"url": "http://10.0.0.1/a.mp3"}, 422, "bad_config", "public internet"),
        ({"url": "https://169.254.169.254/"}, 422, "bad_config", "public internet"),
        ({"url": "file:///etc/passwd"}, 422, "bad_config", "a URL such as"),
        ({"url": ["a", "b"]}, 422, "bad_config", "a URL such as"),
        ({"url": {}}, 422, "bad_config", "must be a text"),
        ({}, 400, "bad_message", "no file was sent"),
        ([], 400, "bad_message", "no JSON object"),
    ],
)
async def test_what_cannot_be_fetched_is_refused_at_once(
    http: httpx2.AsyncClient, body: Any, status: int, code: str, why: str
) -> None:
    assert why in assert_refused(await http.post(JOBS, json=body), status, code)


async def test_a_file_besides_or_urls_switched_off_are_refused(
    redis_client: Redis, redis_url: str, tmp_path: Path, http: httpx2.AsyncClient
) -> None:
    both = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, data={"url": "https://example.org/a.mp3"})
    assert "not both" in assert_refused(both, 422, "bad_config")
    async with running_gateway(redis_client, redis_url, tmp_path / "off", fetch_timeout_s=0) as off:
        answer = await http.post(f"{off.url}{JOBS}", json={"url": "https://example.org/a.mp3"})
        assert "FETCH_TIMEOUT_S" in assert_refused(answer, 422, "bad_config")


async def test_no_log_line_and_no_error_holds_the_url(
    http: httpx2.AsyncClient, server: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    server.answer = lambda _: Answer(302, {"location": "http://u:hidden@127.0.0.9/hidden"})
    with structlog.testing.capture_logs() as logged:
        url = server.url.replace("//", "//ann:hidden@") + "/hidden/talk.mp3?token=hidden"
        view = await becomes(http, await asked(http, url), "failed")
    assert any(entry["event"] == "fetch given up" for entry in logged)
    for text in (json.dumps(logged, default=str), caplog.text, json.dumps(view)):
        for secret in ("hidden", "ann", f":{server.port}", "127.0.0.9"):
            assert secret not in text
    refused = await http.post(JOBS, json={"url": "ftp://ann:hidden@example.org/"})
    assert "hidden" not in refused.text


async def test_what_is_fetched_counts_as_an_upload(
    redis_client: Redis, redis_url: str, tmp_path: Path, server: Receiver
) -> None:
    store = await open_key_store(tmp_path / "spool-data")
    async with stand_ins(redis_client), keyed(redis_client, redis_url, tmp_path, **ALLOWING) as gateway:
        key = await stored_key(store, Scope.JOBS, quotas=Quotas(upload_bytes_per_day=len(AUDIO) + 1))
        await store.close()
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False, headers=bearer(key)) as http:
            await becomes(http, await asked(http, server.url), "queued")
            error = (await becomes(http, await asked(http, server.url), "failed"))["error"]
            assert error["code"] == "quota_exceeded"
            assert len(gateway.spooled) == 1
