"""Known speakers over HTTP: enrolled, listed, deleted for good. The test does what a transcriber does."""

import asyncio

import httpx2
import pytest
from support.gateway_harness import Gateway, until
from support.posted_jobs import AUDIO, JOBS, assert_refused, ended, posted
from support.wiring import bus_on

from stt_shared.contracts.jobs import JobError, JobStatus
from stt_shared.streams import keys

pytestmark = pytest.mark.contract

SPEAKERS = "/v1/stt/speakers"
VOICE = bytes(range(200, 256)) * 4


async def enroll(
    gateway: Gateway, http: httpx2.AsyncClient, name: str, voice: bytes = VOICE, error: JobError | None = None
) -> httpx2.Response:
    """Post a recording, and end its job as a transcriber does."""
    jobs = bus_on(gateway.client).jobs
    asking = asyncio.create_task(http.post(SPEAKERS, files={"file": ("me.wav", AUDIO)}, data={"name": name}))
    known = {path.name for path in gateway.spooled}

    async def queued() -> str:
        for path in gateway.spooled:
            if path.name not in known and await jobs.state(path.name) is not None:
                return path.name
        return "refused" if asking.done() else ""

    job_id = await until(queued)
    if job_id == "refused":
        return await asking
    if error is not None:
        state = await jobs.state(job_id)
        assert state is not None
        await jobs.fail(keys.job_keys(job_id), state.epoch, error.code, error.message)
    else:
        await jobs.put_enrolled_voice(job_id, voice)
        empty = b'{"text": "", "language": "", "duration": 9.0, "segments": []}'
        await ended(gateway, job_id, JobStatus.COMPLETED, result=empty)
    answer = await asking
    assert await jobs.state(job_id) is None, "nothing of the job stays"
    assert await jobs.enrolled_voice(job_id) is None
    return answer


async def test_a_speaker_is_enrolled_listed_and_deleted_for_good(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    answer = await enroll(gateway, http, " Anna\nMüller ")
    assert answer.status_code == 201, answer.text
    anna = answer.json()
    assert set(anna) == {"id", "name", "created_at"}
    assert anna["name"] == "Anna Müller"
    bob = (await enroll(gateway, http, "Bob", VOICE[::-1])).json()
    assert (await http.get(SPEAKERS)).json() == {"speakers": [anna, bob]}
    assert any(VOICE in path.read_bytes() for path in gateway.settings.data_dir.glob("transcripts.db*"))
    # Nobody takes the enrolment for a transcript.
    assert (await http.get("/v1/stt/transcripts")).json()["transcripts"] == []

    await posted(http, known_speakers="true")
    jobs = bus_on(gateway.client).jobs
    known = await jobs.known_voices("local")
    assert [(one.name, one.voice) for one in known] == [("Anna Müller", VOICE), ("Bob", VOICE[::-1])]
    assert 0 < known[0].enrolled_ms <= known[1].enrolled_ms
    assert (await http.delete(f"{SPEAKERS}/{anna['id']}")).status_code == 204
    assert await jobs.known_voices("local") == known[1:]
    assert not any(VOICE in path.read_bytes() for path in gateway.settings.data_dir.glob("transcripts.db*"))
    assert (await http.get(SPEAKERS)).json() == {"speakers": [bob]}
    assert_refused(await http.delete(f"{SPEAKERS}/{anna['id']}"), 404, "not_found")
    assert (await http.delete(f"{SPEAKERS}/{bob['id']}")).status_code == 204
    assert not await gateway.client.exists(keys.known_voices("local"))


async def test_a_speaker_gets_another_name_in_later_jobs_too(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    anna = (await enroll(gateway, http, "Ana")).json()
    await enroll(gateway, http, "Bob")
    at = f"{SPEAKERS}/{anna['id']}"
    answer = await http.patch(at, json={"name": " Anna\n"})
    assert (answer.status_code, answer.json()) == (200, {**anna, "name": "Anna"})
    assert [one["name"] for one in (await http.get(SPEAKERS)).json()["speakers"]] == ["Anna", "Bob"]
    assert [one.name for one in await bus_on(gateway.client).jobs.known_voices("local")] == ["Anna", "Bob"]
    assert_refused(await http.patch(at, json={"name": "Bob"}), 409, "conflict")
    assert (await http.patch(at, json={"name": "Anna"})).status_code == 200, "it may be repeated"
    for body in ({"name": "Speaker 2"}, {"name": ""}, {"name": None}, {}, {"name": "A", "voice": "x"}):
        assert_refused(await http.patch(at, json=body), 422, "bad_config")
    assert_refused(await http.patch(at, content=b"{"), 400, "bad_message")
    assert_refused(await http.patch(f"{SPEAKERS}/nobody", json={"name": "Eve"}), 404, "not_found")


async def test_what_cannot_be_enrolled_is_refused(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    short = JobError("bad_audio", "only 2.0 s of speech were heard; at least 5 s are needed")
    assert "2.0 s" in assert_refused(await enroll(gateway, http, "Anna", error=short), 400, "bad_audio")
    assert (await http.get(SPEAKERS)).json() == {"speakers": []}
    assert (await enroll(gateway, http, "Anna")).status_code == 201
    assert_refused(await enroll(gateway, http, "Anna"), 409, "conflict")
    for name in ("", " \0", "x" * 129, "Speaker 1"):
        assert_refused(await enroll(gateway, http, name), 422, "bad_config")
    two = [("file", ("a.wav", AUDIO)), ("file", ("b.wav", AUDIO))]
    assert_refused(await http.post(SPEAKERS, files=two, data={"name": "Bob"}), 400, "bad_message")


async def test_a_job_names_known_speakers_only_if_asked_to(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    await enroll(gateway, http, "Anna")
    jobs = bus_on(gateway.client).jobs
    plain = await jobs.state(await posted(http, speakers="auto"))
    assert plain is not None
    assert plain.config.known_to == ""
    assert not await gateway.client.exists(keys.known_voices("local"))
    named = await jobs.state(await posted(http, known_speakers="true"))
    assert named is not None
    assert named.config.known_to == "local"
    assert named.config.speakers is not None, "speakers are told apart then"
    assert named.config.content_key == "", "the next time, others may be known"
    assert_refused(await http.post(f"{JOBS}?known_speakers=me", files={"file": ("a", AUDIO)}), 422, "bad_config")
