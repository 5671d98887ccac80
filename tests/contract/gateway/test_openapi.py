"""/openapi.json describes what the routes answer."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, end_job, gateway_with_store

pytestmark = pytest.mark.contract

JOBS = "/v1/stt/jobs"
FILE = {"file": ("a.mp3", b"ID3")}


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway_with_store(redis_client, redis_url, tmp_path, f"sqlite:///{tmp_path}/t.db") as gateway:
        yield gateway


def operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


async def test_every_operation_names_its_errors_in_their_own_form(http: httpx2.AsyncClient) -> None:
    for name, operation in operations((await http.get("/openapi.json")).json()):
        for status in ("400", "403", "404", "405", "421", "422", "500", "503"):
            schema = operation["responses"][status]["content"]["application/json"].get("schema", {})
            required = ["err_code", "err_msg", "request_id"] if name == "POST /v1/listen" else ["error"]
            # /health has a body of its own with 503.
            assert schema.get("required") == required or (name, status) == ("GET /health", "503"), (name, status)
        parameters = [(one["in"], one["name"]) for one in operation.get("parameters", [])]
        assert len(parameters) == len(set(parameters)), name


async def test_answers_are_as_described(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    described = (await http.get("/openapi.json")).json()["paths"]
    job_id = (await http.post(JOBS, files=FILE)).json()["job_id"]
    waiting_id = (await http.post(JOBS, files={"file": ("b.mp3", b"ID3 b")})).json()["job_id"]
    await end_job(gateway.client, job_id, "Ever tried.")
    key = {"Idempotency-Key": "k"}
    job, transcript = f"{JOBS}/{{job_id}}", "/v1/stt/transcripts/{id}"
    await http.post(JOBS, files=FILE, headers=key)
    answers = [
        (JOBS, await http.post(JOBS, files=FILE)),
        (JOBS, await http.post(JOBS, files={"file": ("other.mp3", b"other")}, headers=key)),
        (JOBS, await http.post(JOBS, content=b"no form")),
        (JOBS, await http.post(JOBS, files={"file": ("empty.mp3", b"")})),
        (JOBS, await http.post(JOBS, files=FILE, data={"prompt": "p" * 70_000})),
        (JOBS, await http.post(f"{JOBS}?language=klingon", files=FILE)),
        (job, await http.get(f"{JOBS}/{job_id}")),
        (job, await http.get(f"{JOBS}/nobody")),
        *[(job + "/result.{kind}", await http.get(f"{JOBS}/{job_id}/result.{kind}")) for kind in ("txt", "srt", "vtt")],
        (job + "/result.{kind}", await http.get(f"{JOBS}/{waiting_id}/result.txt")),
        (job + "/events", await http.get(f"{JOBS}/{job_id}/events")),
        (transcript, await http.patch("/v1/stt/transcripts/nobody", json={"title": "x"})),
        (transcript, await http.patch("/v1/stt/transcripts/nobody", content=b"x" * 20_000)),
        ("/v1/stt/transcripts", await http.get("/v1/stt/transcripts?limit=0")),
        ("/v1/stt/conversations/{conversation_id}", await http.get("/v1/stt/conversations/a%00")),
        ("/metrics", await http.get("/metrics")),
        ("/health", await http.get("/health")),
    ]
    statuses = set()
    for path, answer in answers:
        responses = described[path][answer.request.method.lower()]["responses"]
        statuses.add(answer.status_code)
        assert str(answer.status_code) in responses, (path, answer.status_code)
        kinds = responses[str(answer.status_code)]["content"]
        assert answer.headers["content-type"].partition(";")[0] in kinds, path
    assert statuses == {200, 202, 400, 404, 409, 413, 422}


async def test_a_method_that_is_not_allowed_is_told_those_that_are(http: httpx2.AsyncClient) -> None:
    for path, operation in (await http.get("/openapi.json")).json()["paths"].items():
        answer = await http.put(path.format(job_id="x", id="x", kind="txt", conversation_id="x", model="x", name="x"))
        documented = {method.upper() for method in operation}
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == documented, path
        assert answer.headers["allow"] in answer.text


async def test_an_edit_and_an_upload_describe_their_bodies(http: httpx2.AsyncClient) -> None:
    described = (await http.get("/openapi.json")).json()
    form = described["paths"][JOBS]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {"file", "url"} <= set(form["properties"])
    assert form["required"] == [], "a file, or a URL of one"
    rename = described["paths"]["/v1/stt/transcripts/{id}"]["patch"]["requestBody"]["content"]["application/json"]
    assert set(rename["schema"]["properties"]) == {
        *("title", "texts", "speakers", "merge", "assign", "restore", "revision")
    }
    assert described["servers"] == [{"url": "."}]
