"""Watched jobs: events that are sent while a job changes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest
from support.gateway_harness import Gateway
from support.posted_jobs import JOBS, RESULT, ended, posted
from support.wiring import bus_on

from stt_shared.contracts.jobs import JobStatus
from stt_shared.streams import keys

pytestmark = pytest.mark.contract

Event = tuple[str, dict[str, Any]]


@contextlib.asynccontextmanager
async def watched(http: httpx2.AsyncClient, job_id: str) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a job as they come."""
    async with asyncio.timeout(20), http.stream("GET", f"{JOBS}/{job_id}/events") as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield events_in(response)


async def events_in(response: httpx2.Response) -> AsyncIterator[Event]:
    text = ""
    async for part in response.aiter_text():
        *blocks, text = (text + part).split("\n\n")
        for block in blocks:
            kind, data = block.split("\n")
            yield kind.removeprefix("event: "), msgspec.json.decode(data.removeprefix("data: "))
    assert text == ""


async def test_watching_a_job_tells_each_change_once_and_ends_with_it(
    gateway: Gateway, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.http.job_views.CHECK_EVERY_S", 0.02)
    monkeypatch.setattr("stt_gateway.http.job_views.CHANGES_APART_S", 0.0)
    job_id = await posted(http)
    async with watched(http, job_id) as events:
        heard = [await anext(events)]
        for progress in (20, 55):
            fields = {"status": "processing", "progress": progress}
            await gateway.client.hset(keys.job_keys(job_id).state, mapping=fields)
            heard.append(await anext(events))
        await asyncio.sleep(0.2)
        await ended(gateway, job_id, JobStatus.COMPLETED, result=msgspec.json.encode(RESULT))
        heard += [event async for event in events]
    assert [(kind, view["status"], view["progress"]) for kind, view in heard] == [
        ("progress", "queued", 0.0),
        ("progress", "processing", 20.0),
        ("progress", "processing", 55.0),
        ("end", "completed", 100.0),
    ]
    assert heard[-1][1]["result"]["text"] == RESULT.text
    async with watched(http, job_id) as events:
        assert [event async for event in events] == heard[-1:], "who comes late gets the end at once"


async def test_changes_of_a_watched_job_are_pushed(
    gateway: Gateway, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.http.job_views.CHECK_EVERY_S", 60.0)
    job_id, bus = await posted(http), bus_on(gateway.client)
    at = keys.job_keys(job_id)
    async with watched(http, job_id) as events:
        assert (await anext(events))[1]["status"] == "queued"
        epoch = (await gateway.client.hget(at.state, "epoch") or b"").decode()
        owner = await bus.sessions.claim(at, epoch, keys.STAGE_AUDIO, "replica")
        assert owner is not None
        assert await bus.jobs.set_processing(owner)
        assert (await anext(events))[1]["status"] == "processing"
        await ended(gateway, job_id, JobStatus.COMPLETED, result=msgspec.json.encode(RESULT))
        assert [view["status"] async for _, view in events] == ["completed"]


async def test_what_is_left_to_do_is_told_once_it_is_known(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = await posted(http)
    at = keys.job_keys(job_id)
    assert "estimated_s" not in (await http.get(f"{JOBS}/{job_id}")).json()
    fields = {"status": "processing", "progress": 25, "begun_ms": 1_000_000, "progress_ms": 1_030_000}
    await gateway.client.hset(at.state, mapping=fields)
    assert (await http.get(f"{JOBS}/{job_id}")).json()["estimated_s"] == 90
    await ended(gateway, job_id, JobStatus.COMPLETED, result=msgspec.json.encode(RESULT))
    assert "estimated_s" not in (await http.get(f"{JOBS}/{job_id}")).json()


async def test_the_end_does_not_wait_for_other_changes(
    gateway: Gateway, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of a few seconds were done a tenth of a second before their clients knew."""
    monkeypatch.setattr("stt_gateway.http.job_views.CHECK_EVERY_S", 60.0)
    monkeypatch.setattr("stt_gateway.http.job_views.CHANGES_APART_S", 60.0)
    job_id = await posted(http)
    async with watched(http, job_id) as events:
        assert (await anext(events))[1]["status"] == "queued"
        await ended(gateway, job_id, JobStatus.COMPLETED, result=msgspec.json.encode(RESULT))
        assert [view["status"] async for _, view in events] == ["completed"]


async def test_a_watched_job_that_is_deleted_ends_the_watching(
    gateway: Gateway, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.http.job_views.CHECK_EVERY_S", 60.0)
    job_id = await posted(http)
    async with watched(http, job_id) as events:
        assert (await anext(events))[0] == "progress"
        # At once, so that no event tells of the cancellation before it.
        pipe = gateway.client.pipeline().delete(keys.job_keys(job_id).state)
        await pipe.publish(keys.job_changes(job_id), b"deleted").execute()
        assert [event async for event in events] == []
