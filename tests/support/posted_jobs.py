"""Jobs posted to a gateway without a suite, ended by the test itself."""

import httpx2

from stt_shared.contracts.jobs import JobResult, JobSegment, JobStatus, JobWord
from stt_shared.streams import keys
from support.gateway_harness import Gateway
from support.wiring import bus_on, read_state

JOBS = "/v1/stt/jobs"
AUDIO = b"RIFF" + bytes(range(256)) * 20
SEGMENTS = [
    JobSegment(0, 0.0, 1.5, "Ever tried.", 0.9, [JobWord("Ever", 0.0, 0.7, 0.9), JobWord("tried.", 0.7, 1.5, 0.9)]),
    JobSegment(1, 1.5, 3.0, "Ever <failed> --> & on.", 0.8, []),
]
RESULT = JobResult("Ever tried. Ever <failed> --> & on.", "en", 3.0, SEGMENTS)


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
