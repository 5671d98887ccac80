"""`stt speakers` on a real gateway; the test does what a transcriber does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import Result
from redis.asyncio import Redis
from support.gateway_harness import Gateway, running_gateway, stand_ins, until
from support.posted_jobs import AUDIO, ended
from support.wiring import bus_on
from typer.testing import CliRunner

from stt_cli.main import app
from stt_shared.contracts.jobs import JobStatus

pytestmark = pytest.mark.contract

NOTHING = b'{"text": "", "language": "", "duration": 9.0, "segments": []}'


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path / "a") as gateway:
        yield gateway


async def stt(gateway: Gateway, *arguments: str) -> Result:
    command = ["speakers", *arguments, "--url", gateway.url]
    return await asyncio.to_thread(CliRunner().invoke, app, command)


async def test_a_voice_is_enrolled_listed_renamed_and_deleted(gateway: Gateway, tmp_path: Path) -> None:
    recording = tmp_path / "anna.wav"
    recording.write_bytes(AUDIO)
    assert (await stt(gateway, "list")).output == ""
    enrolling = asyncio.create_task(stt(gateway, "enrol", "Ana", str(recording)))
    jobs = bus_on(gateway.client).jobs

    async def queued() -> str:
        for path in gateway.spooled:
            if await jobs.state(path.name) is not None:
                return path.name
        return ""

    job_id = await until(queued)
    await jobs.put_enrolled_voice(job_id, bytes(range(256)))
    await ended(gateway, job_id, JobStatus.COMPLETED, result=NOTHING)
    enrolled = await enrolling
    assert enrolled.exit_code == 0, enrolled.output
    id = enrolled.output.strip()
    assert (await stt(gateway, "list")).output.split()[:2] == ["Ana", id]

    assert (await stt(gateway, "rename", "Ana", "Anna Müller")).exit_code == 0
    assert (await stt(gateway, "list")).output.startswith(f"Anna Müller  {id}  20")
    unknown = await stt(gateway, "delete", "Ana")
    assert (unknown.exit_code, unknown.output.count("\n")) == (1, 1)
    assert "nobody is known as 'Ana'" in unknown.output
    assert (await stt(gateway, "delete", id)).exit_code == 0
    assert (await stt(gateway, "list")).output == ""


async def test_a_mistake_is_one_line(gateway: Gateway, tmp_path: Path) -> None:
    missing = await stt(gateway, "enrol", "Anna", str(tmp_path / "none.wav"))
    assert (missing.exit_code, missing.output.count("\n")) == (1, 1)
    nobody = await asyncio.to_thread(CliRunner().invoke, app, ["speakers", "list", "--url", "http://127.0.0.1:1"])
    assert (nobody.exit_code, nobody.output.count("\n")) == (1, 1)
    assert "no answer from" in nobody.output
