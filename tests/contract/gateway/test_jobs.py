"""Files over HTTP on a real server: what is stored and queued, what a client may ask afterwards, how it is refused."""

import errno
import io
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, running_gateway, stand_ins, tell_status, until
from support.posted_jobs import AUDIO, JOBS, RESULT, assert_refused, ended, posted
from support.wiring import bus_on, read_state

from stt_gateway.http import uploads
from stt_shared.contracts.jobs import JobConfig, JobError, JobResult, JobStatus
from stt_shared.contracts.session import Task
from stt_shared.streams import keys

pytestmark = pytest.mark.contract


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path, max_upload_bytes=20_000) as gateway,
    ):
        yield gateway


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
