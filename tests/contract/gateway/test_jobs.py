"""Files over HTTP on a real server: what is stored and queued, what a client may ask afterwards, how it is refused."""

import asyncio
import errno
import io
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import redis
from redis.asyncio import Redis
from support.gateway_harness import Gateway, running_gateway, stand_ins, tell_status, until
from support.wiring import bus_on, read_state

from stt_gateway.http import uploads
from stt_shared.contracts.jobs import JobConfig, JobError, JobResult, JobSegment, JobStatus, JobWord
from stt_shared.contracts.session import Task
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys
from stt_shared.streams.jobs import Created, JobStreams, NewJob

pytestmark = pytest.mark.contract

JOBS = "/v1/stt/jobs"
AUDIO = b"RIFF" + bytes(range(256)) * 20
SEGMENTS = [
    JobSegment(0, 0.0, 1.5, "Ever tried.", 0.9, [JobWord("Ever", 0.0, 0.7, 0.9), JobWord("tried.", 0.7, 1.5, 0.9)]),
    JobSegment(1, 1.5, 3.0, "Ever <failed> --> & on.", 0.8, []),
]
RESULT = JobResult("Ever tried. Ever <failed> --> & on.", "en", 3.0, SEGMENTS)


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path, max_upload_bytes=20_000) as gateway,
    ):
        yield gateway


async def posted(http: httpx2.AsyncClient, name: str = "talk.mp3", **fields: str) -> str:
    response = await http.post(JOBS, files={"file": (name, AUDIO)}, data=fields)
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


async def ended(gateway: Gateway, job_id: str, status: JobStatus, **with_what: bytes) -> None:
    at = keys.job_keys(job_id)
    epoch = (await read_state(gateway.client, at))[b"epoch"].decode()
    assert await bus_on(gateway.client).jobs.finish(at, epoch, status, now_ms=0, **with_what)


def assert_refused(response: httpx2.Response, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert "Traceback" not in error["message"]
    assert ("retry-after" in response.headers) is ("retry_after_s" in error) is (status == 503)
    return str(error["message"])


async def test_a_file_is_stored_described_and_queued(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    response = await http.post(
        JOBS, files={"file": ("../my talk.mp3", AUDIO)}, data={"language": "de-AT", "task": "translate"}
    )
    assert response.status_code == 202
    job_id = response.json()["job_id"]
    assert response.json() == {"job_id": job_id, "status_url": f"{JOBS}/{job_id}"}
    assert [path.name for path in gateway.spooled] == [job_id]
    assert gateway.spooled[0].read_bytes() == AUDIO
    fields = await read_state(gateway.client, keys.job_keys(job_id))
    assert (fields[b"status"], fields[b"progress"], fields[b"state"]) == (b"queued", b"0", b"active")
    assert msgspec.json.decode(fields[b"config"], type=JobConfig) == JobConfig(
        job_id, "my talk.mp3", len(AUDIO), "de", Task.TRANSLATE
    )
    assert 86_000 < await gateway.client.ttl(keys.job_keys(job_id).state) <= 86_400
    ((_, entry),) = await gateway.client.xrange(keys.JOBS_WAITING)
    assert entry == {b"id": job_id.encode(), b"epoch": fields[b"epoch"]}


async def test_several_files_are_several_jobs_with_the_same_parameters(
    gateway: Gateway, http: httpx2.AsyncClient
) -> None:
    files = [("file", (f"{n}.mp3", AUDIO + bytes([n]))) for n in range(3)]
    response = await http.post(f"{JOBS}?language=en", files=files, data={"prompt": "Ann"})
    assert response.status_code == 202
    body = response.json()
    ids = [job["job_id"] for job in body["jobs"]]
    assert len(set(ids)) == 3
    assert body["job_id"] == ids[0], "who knows one file only finds it where it always is"
    assert sorted(path.name for path in gateway.spooled) == sorted(ids)
    entries = await gateway.client.xrange(keys.JOBS_WAITING)
    assert [entry[b"id"].decode() for _, entry in entries] == ids
    for number, job_id in enumerate(ids):
        view = (await http.get(f"{JOBS}/{job_id}")).json()
        assert view["filename"] == f"{number}.mp3"
        config = msgspec.json.decode((await read_state(gateway.client, keys.job_keys(job_id)))[b"config"])
        assert (config["language"], config["prompt"]) == ("en", "Ann")


KEY = {"Idempotency-Key": "order-4711"}


async def test_a_hundred_equal_posts_at_once_are_one_job(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=30, trust_env=False, limits=limits) as many:
        responses = await asyncio.gather(
            *(many.post(JOBS, files={"file": (f"{n}.mp3", AUDIO)}, headers=KEY) for n in range(100))
        )
    assert {response.status_code for response in responses} == {202}
    (job_id,) = {response.json()["job_id"] for response in responses}
    assert sorted(response.headers.get("Idempotent-Replayed", "") for response in responses) == ["", *["true"] * 99]
    assert [path.name for path in gateway.spooled] == [job_id]
    assert await gateway.client.xlen(keys.JOBS_WAITING) == 1
    assert len(await gateway.client.keys("stt:{jobs}:job:*")) == 1


async def test_without_the_key_each_post_is_a_job(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    """The negative twin."""
    posts = (http.post(JOBS, files={"file": ("a.mp3", AUDIO)}) for _ in range(10))
    assert len({response.json()["job_id"] for response in await asyncio.gather(*posts)}) == 10


async def test_several_files_are_replayed_in_their_order(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    files = [("file", (f"{n}.mp3", AUDIO + bytes([n]))) for n in range(3)]
    first, second = [await http.post(JOBS, files=files, headers=KEY) for _ in range(2)]
    assert second.json() == first.json()
    assert len(gateway.spooled) == 3
    swapped = await http.post(JOBS, files=files[::-1], headers=KEY)
    assert_refused(swapped, 409, "conflict")
    assert len(gateway.spooled) == 3


OTHERS: dict[str, dict[str, Any]] = {
    "another file": {"files": {"file": ("a.mp3", AUDIO + b"x")}},
    "another language": {"files": {"file": ("a.mp3", AUDIO)}, "data": {"language": "en"}},
    "another task": {"files": {"file": ("a.mp3", AUDIO)}, "params": {"task": "translate"}},
    "another prompt": {"files": {"file": ("a.mp3", AUDIO)}, "data": {"prompt": "Ann"}},
    "a file more": {"files": [("file", ("a.mp3", AUDIO)), ("file", ("b.mp3", AUDIO))]},
}


async def test_a_key_stands_for_one_request_only(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    first = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=KEY)
    for name, request in OTHERS.items():
        assert_refused(await http.post(JOBS, headers=KEY, **request), 409, "conflict")
        assert len(gateway.spooled) == 1, name
    # What a file is called, and how a parameter was passed, makes no other request.
    same = await http.post(JOBS, files={"file": ("b.mp3", AUDIO)}, data={"language": "auto"}, headers=KEY)
    assert same.json() == first.json()
    assert same.headers["Idempotent-Replayed"] == "true"


async def test_a_key_lasts_as_long_as_its_job(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    first = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=KEY)
    (request,) = await gateway.client.keys("stt:{jobs}:request:*")
    assert 86_000 < await gateway.client.ttl(request) <= 86_400
    assert b"order" not in request, "a client's key is kept as a hash"
    await gateway.client.delete(keys.job_keys(first.json()["job_id"]).state)
    again = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=KEY)
    assert again.status_code == 202
    assert again.json()["job_id"] != first.json()["job_id"]


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "Grüße".encode().decode("latin-1"), "a\tb"])
async def test_a_key_that_is_none_is_refused(gateway: Gateway, http: httpx2.AsyncClient, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    response = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=headers)
    assert "255 visible" in assert_refused(response, 422, "bad_config")
    assert gateway.spooled == []


async def test_an_api_that_dies_with_the_answer_leaves_one_whole_job(
    gateway: Gateway, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis made the job, and nobody heard of it: the client asks again, and its file must still be there."""
    create = JobStreams.create

    async def answer_lost(*args: Any, **options: Any) -> None:
        await create(*args, **options)
        raise redis.ConnectionError("lost")

    with monkeypatch.context() as patch:
        patch.setattr(JobStreams, "create", answer_lost)
        assert_refused(await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=KEY), 503, "unavailable")
    again = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=KEY)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert [path.name for path in gateway.spooled] == [again.json()["job_id"]]
    assert await gateway.client.xlen(keys.JOBS_WAITING) == 1


async def test_a_call_that_redis_carries_out_twice_makes_one_job(gateway: Gateway) -> None:
    """redis-py repeats a call whose answer did not come."""
    jobs = [NewJob(f"twice-0123456789abc{n}", "e", b"{}") for n in range(2)]
    for key_hash in ("", "hash"):
        for _ in range(2):
            created = await bus_on(gateway.client).jobs.create(jobs, 0, key_hash=key_hash, fingerprint="f")
            assert isinstance(created, Created)
            assert (created.job_ids, created.replayed) == ([job.job_id for job in jobs], False)
    assert await gateway.client.xlen(keys.JOBS_WAITING) == 2


@pytest.mark.parametrize("limit", ["max_jobs", "max_jobs_per_client"])
async def test_too_many_unfinished_jobs_are_refused_until_some_have_ended(
    redis_client: Redis, redis_url: str, tmp_path: Path, limit: str
) -> None:
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path, **{limit: 2}) as gateway:
        async with httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http:
            first, second = await posted(http), await posted(http)
            refused = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)})
            assert "at most 2 files" in assert_refused(refused, 503, "at_capacity")
            assert sorted(path.name for path in gateway.spooled) == sorted([first, second])
            await http.post(f"{JOBS}/{first}/cancel")
            await posted(http)


async def test_a_full_spool_folder_is_told_and_nothing_is_left(
    gateway: Gateway, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BufferedWriter):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            """What is buffered finds no room either, the first time."""
            was_closed = self.closed
            super().close()
            if not was_closed:
                raise OSError(errno.ENOSPC, "No space left on device")

    def opened(path: Path, mode: str, **_: Any) -> Any:
        return Full(io.FileIO(path, mode.removesuffix("b")))

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "open", opened, raising=False)
        refused = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)})
    assert "no room" in assert_refused(refused, 503, "unavailable")
    assert gateway.spooled == []
    assert await gateway.client.keys("stt:{jobs}:job:*") == []
    assert await posted(http)


async def test_a_new_job_as_its_client_sees_it(http: httpx2.AsyncClient) -> None:
    job_id = await posted(http)
    view = (await http.get(f"{JOBS}/{job_id}")).json()
    assert view.pop("created_at").endswith("Z")
    assert view == {"job_id": job_id, "status": "queued", "progress": 0.0, "filename": "talk.mp3"}


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "an empty file": ({"files": {"file": ("a.mp3", b"")}}, 400, "bad_audio"),
    "no file": ({"files": {"audio": ("a.mp3", AUDIO)}}, 400, "bad_message"),
    "no body": ({}, 400, "bad_message"),
    "bare audio": ({"content": AUDIO, "headers": {"content-type": "audio/mpeg"}}, 400, "bad_message"),
    "JSON": ({"json": {"file": "a.mp3"}}, 400, "bad_message"),
    "no border": ({"content": AUDIO, "headers": {"content-type": "multipart/form-data"}}, 400, "bad_message"),
    "too large": ({"files": {"file": ("a.mp3", AUDIO * 4)}}, 413, "too_large"),
    "too large together": ({"files": [("file", ("a", AUDIO * 2)), ("file", ("b", AUDIO * 2))]}, 413, "too_large"),
    "a wrong parameter": ({"files": {"file": ("a.mp3", AUDIO)}, "data": {"task": "sing"}}, 422, "bad_config"),
    "an unknown parameter": ({"files": {"file": ("a.mp3", AUDIO)}, "params": {"colour": "red"}}, 422, "bad_config"),
    "a parameter twice": (
        {"files": {"file": ("a.mp3", AUDIO)}, "params": {"language": "en"}, "data": {"language": "en"}},
        422,
        "bad_config",
    ),
}


async def test_what_is_refused_leaves_no_file_and_no_job(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    for name, (request, status, code) in REFUSED.items():
        assert_refused(await http.post(JOBS, **request), status, code)
        assert gateway.spooled == [], name
        assert await gateway.client.keys("stt:{jobs}:job:*") == [], name


async def test_a_language_that_no_model_here_knows_is_refused(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    await tell_status(gateway.client, "transcriber", detail={"languages": ["en"]})
    response = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, data={"language": "de"})
    assert "knows en" in assert_refused(response, 422, "bad_config")
    assert gateway.spooled == []


async def test_a_client_that_leaves_amid_its_upload_leaves_nothing(gateway: Gateway) -> None:
    address = ("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    with socket.create_connection(address) as client:
        head = f"POST {JOBS} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=xYz\r\n"
        part = b'--xYz\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n' + AUDIO
        client.sendall(head.encode() + b"Content-Length: 9000\r\n\r\n" + part)
        await until(lambda: [path for path in gateway.spooled if path.suffix == ".part"])
    await until(lambda: gateway.spooled == [])
    assert await gateway.client.keys("stt:{jobs}:job:*") == []


async def test_an_unknown_job_is_not_found_whatever_one_asks(http: httpx2.AsyncClient) -> None:
    for job_id in ["nobody", "a" * 32, "..%2f..%2fetc", "a%7Bb%7D", "%00", "a" * 200, "\U0001f3a4"]:
        for method, path in [
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/cancel"),
            ("GET", "/result.txt"),
            ("GET", "/events"),
        ]:
            assert_refused(await http.request(method, f"{JOBS}/{job_id}{path}"), 404, "not_found")


async def test_what_does_not_exist_is_told_in_the_same_form(http: httpx2.AsyncClient) -> None:
    job_id = await posted(http)
    assert_refused(await http.get("/v1/stt/nothing"), 404, "not_found")
    assert ".vtt" in assert_refused(await http.get(f"{JOBS}/{job_id}/result.doc"), 404, "not_found")
    for method, path in [
        ("GET", JOBS),
        ("PUT", JOBS),
        ("POST", f"{JOBS}/{job_id}"),
        ("DELETE", f"{JOBS}/{job_id}/events"),
    ]:
        response = await http.request(method, path)
        assert_refused(response, 405, "method_not_allowed")
        assert response.headers["allow"]


async def test_a_session_is_no_job(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    await gateway.client.hset(keys.job_keys("s1").state, "epoch", "e1")
    assert_refused(await http.get(f"{JOBS}/s1"), 404, "not_found")


async def test_a_cancelled_job_is_cancelled_for_good(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = await posted(http)
    response = await http.delete(f"{JOBS}/{job_id}")
    assert response.status_code == 200
    assert response.json()["status"] == "cancelled"
    assert "cancelled" in assert_refused(await http.get(f"{JOBS}/{job_id}/result.txt"), 409, "conflict")
    at = keys.job_keys(job_id)
    epoch = (await read_state(gateway.client, at))[b"epoch"].decode()
    assert not await bus_on(gateway.client).jobs.finish(at, epoch, JobStatus.COMPLETED, now_ms=0)
    assert (await http.get(f"{JOBS}/{job_id}")).json()["status"] == "cancelled"


async def test_cancelling_ends_a_job_once(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = await posted(http)
    for _ in range(2):
        response = await http.post(f"{JOBS}/{job_id}/cancel")
        assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    assert (await http.get(f"{JOBS}/{job_id}")).json()["status"] == "cancelled"


async def test_cancelling_behind_the_end_destroys_nothing(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = await posted(http)
    await ended(gateway, job_id, JobStatus.COMPLETED, result=msgspec.json.encode(RESULT))
    response = await http.post(f"{JOBS}/{job_id}/cancel")
    assert response.status_code == 200
    assert response.json() == (await http.get(f"{JOBS}/{job_id}")).json()
    assert response.json()["result"]["text"] == RESULT.text
    # The negative twin: deleting is for good.
    await http.delete(f"{JOBS}/{job_id}")
    assert_refused(await http.post(f"{JOBS}/{job_id}/cancel"), 404, "not_found")


async def test_a_job_that_has_ended_is_deleted(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = await posted(http)
    await ended(gateway, job_id, JobStatus.COMPLETED, result=msgspec.json.encode(RESULT))
    assert (await http.delete(f"{JOBS}/{job_id}")).json()["status"] == "completed"
    assert_refused(await http.get(f"{JOBS}/{job_id}"), 404, "not_found")
    assert gateway.spooled == []


async def test_a_result_in_every_form(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = await posted(http)
    for kind in ("txt", "json", "srt", "vtt"):
        assert "queued" in assert_refused(await http.get(f"{JOBS}/{job_id}/result.{kind}"), 409, "conflict")
    await ended(gateway, job_id, JobStatus.COMPLETED, result=msgspec.json.encode(RESULT))
    view = (await http.get(f"{JOBS}/{job_id}")).json()
    assert (view["status"], view["progress"]) == ("completed", 100.0)
    assert msgspec.convert(view["result"], JobResult) == RESULT
    got = {kind: await http.get(f"{JOBS}/{job_id}/result.{kind}") for kind in ("txt", "json", "srt", "vtt")}
    assert [response.status_code for response in got.values()] == [200] * 4
    assert got["txt"].text == "Ever tried.\nEver <failed> --> & on.\n"
    assert got["json"].json() == view["result"]
    assert got["srt"].text == (
        "1\n00:00:00,000 --> 00:00:01,500\nEver tried.\n\n2\n00:00:01,500 --> 00:00:03,000\nEver <failed> -> & on.\n"
    )
    assert got["vtt"].text == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nEver tried.\n\n"
        "00:00:01.500 --> 00:00:03.000\nEver &lt;failed&gt; --&gt; &amp; on.\n"
    )
    kinds = [response.headers["content-type"].partition(";")[0] for response in got.values()]
    assert kinds == ["text/plain", "application/json", "application/x-subrip", "text/vtt"]


async def test_a_failed_job_tells_why(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = await posted(http)
    await ended(gateway, job_id, JobStatus.FAILED, error=msgspec.json.encode(JobError("bad_audio", "no audio in it")))
    view = (await http.get(f"{JOBS}/{job_id}")).json()
    assert (view["status"], view["error"]) == ("failed", {"code": "bad_audio", "message": "no audio in it"})
    assert "failed" in assert_refused(await http.get(f"{JOBS}/{job_id}/result.srt"), 409, "conflict")


async def heard_events(http: httpx2.AsyncClient, job_id: str) -> list[tuple[str, dict[str, Any]]]:
    async with asyncio.timeout(10), http.stream("GET", f"{JOBS}/{job_id}/events") as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        text = "".join([part async for part in response.aiter_text()])
    assert text.endswith("\n\n")
    found = []
    for block in text.strip().split("\n\n"):
        kind, data = block.split("\n")
        found.append((kind.removeprefix("event: "), msgspec.json.decode(data.removeprefix("data: "))))
    return found


async def test_watching_a_job_tells_each_change_once_and_ends_with_it(
    gateway: Gateway, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.http.jobs.CHECK_EVERY_S", 0.02)
    monkeypatch.setattr("stt_gateway.http.jobs.CHANGES_APART_S", 0.0)
    job_id = await posted(http)
    watching = asyncio.create_task(heard_events(http, job_id))
    await asyncio.sleep(0.2)
    for progress in (20, 55):
        fields = {"status": "processing", "progress": progress}
        await gateway.client.hset(keys.job_keys(job_id).state, mapping=fields)
        await asyncio.sleep(0.2)
    await ended(gateway, job_id, JobStatus.COMPLETED, result=msgspec.json.encode(RESULT))
    events = await watching
    assert [(kind, view["status"], view["progress"]) for kind, view in events] == [
        ("progress", "queued", 0.0),
        ("progress", "processing", 20.0),
        ("progress", "processing", 55.0),
        ("end", "completed", 100.0),
    ]
    assert events[-1][1]["result"]["text"] == RESULT.text
    assert await heard_events(http, job_id) == events[-1:], "who comes late gets the end at once"


async def test_changes_of_a_watched_job_are_pushed(
    gateway: Gateway, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.http.jobs.CHECK_EVERY_S", 60.0)
    job_id, bus = await posted(http), bus_on(gateway.client)
    at = keys.job_keys(job_id)
    watching = asyncio.create_task(heard_events(http, job_id))
    while not dict(await gateway.client.pubsub_numsub(keys.job_changes(job_id)))[keys.job_changes(job_id).encode()]:
        await asyncio.sleep(0.01)
    epoch = (await gateway.client.hget(at.state, "epoch") or b"").decode()
    owner = await bus.sessions.claim(at, epoch, keys.STAGE_AUDIO, "replica")
    assert owner is not None
    assert await bus.jobs.set_processing(owner)
    await asyncio.sleep(0.5)
    await ended(gateway, job_id, JobStatus.COMPLETED, result=msgspec.json.encode(RESULT))
    statuses = [view["status"] for _, view in await watching]
    assert statuses == ["queued", "processing", "completed"]


async def test_what_is_left_to_do_is_told_once_it_is_known(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = await posted(http)
    at = keys.job_keys(job_id)
    assert "estimated_s" not in (await http.get(f"{JOBS}/{job_id}")).json()
    fields = {"status": "processing", "progress": 25, "begun_ms": 1_000_000, "progress_ms": 1_030_000}
    await gateway.client.hset(at.state, mapping=fields)
    assert (await http.get(f"{JOBS}/{job_id}")).json()["estimated_s"] == 90
    await ended(gateway, job_id, JobStatus.COMPLETED, result=msgspec.json.encode(RESULT))
    assert "estimated_s" not in (await http.get(f"{JOBS}/{job_id}")).json()


async def test_a_watched_job_that_is_deleted_ends_the_watching(
    gateway: Gateway, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.http.jobs.CHECK_EVERY_S", 60.0)
    monkeypatch.setattr("stt_gateway.http.jobs.CHANGES_APART_S", 0.5)
    job_id = await posted(http)
    watching = asyncio.create_task(heard_events(http, job_id))
    await asyncio.sleep(0.1)
    for _ in range(2):
        await http.delete(f"{JOBS}/{job_id}")
    assert [kind for kind, _ in await watching] == ["progress"]


async def test_the_same_file_is_answered_from_the_store_and_kept_under_each_of_its_names(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path / "spool") as gateway:
        await tell_status(redis_client, "transcriber", capacity=4, detail={"model": "base"})
        bus = bus_on(redis_client)
        async with httpx2.AsyncClient(base_url=gateway.url) as client:

            async def post(name: str, language: str = "en") -> tuple[str, bool]:
                sent = await client.post(
                    "/v1/stt/jobs", files={"file": (name, b"the same bytes")}, data={"language": language}
                )
                return sent.json()["job_id"], "idempotent-replayed" in sent.headers

            first, replayed = await post("one.wav")
            assert not replayed
            at = keys.job_keys(first)
            epoch = (await redis_client.hget(at.state, "epoch") or b"").decode()
            result = JobResult("what was said", "en", 2.0, [])
            await bus.jobs.finish(at, epoch, JobStatus.COMPLETED, result=msgspec.json.encode(result), now_ms=wall_ms())

            async def stored() -> bool:
                return (await client.get(f"/v1/stt/transcripts/{first}")).status_code == 200

            await until(stored)
            assert await post("one.wav") == (first, True)
            second, replayed = await post("two.wav")
            assert replayed
            assert second != first
            job = (await client.get(f"/v1/stt/jobs/{second}")).json()
            assert (job["status"], job["filename"], job["result"]["text"]) == ("completed", "two.wav", "what was said")
            names = [one["filename"] for one in (await client.get("/v1/stt/transcripts")).json()["transcripts"]]
            assert sorted(names) == ["one.wav", "two.wav"]
            assert (await post("one.wav", "de"))[1] is False, "other options are other work"
            assert len(gateway.spooled) == 2
