"""schemathesis, from the package index, on the whole OpenAPI description: no 5xx, and no status that is not described.

STT_SCHEMATHESIS_S=600 lets it try for longer.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis
from support.gateway_harness import end_job, stand_ins, tell_status
from support.key_samples import open_key_store, stored_key
from support.keyed_gateway import keyed
from support.wiring import bus_on

from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.quotas import Quotas
from stt_shared.contracts.jobs import JobError, JobStatus
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys

SECONDS = int(os.environ.get("STT_SCHEMATHESIS_S", "20"))
pytestmark = [pytest.mark.install, pytest.mark.timeout(SECONDS + 280)]

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its command, in an environment of its own: it needs other versions than the suite's."""
    folder = tmp_path_factory.mktemp("schemathesis") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    install = [*PIP, "--python", folder / "bin" / "python", "install", "-q", "schemathesis~=4.32"]
    installed = subprocess.run(install, capture_output=True, text=True, timeout=200, check=False)
    if installed.returncode != 0:
        pytest.skip(f"no package index: {installed.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / "st"


@contextlib.asynccontextmanager
async def jobs_that_end(client: Redis) -> AsyncIterator[None]:
    """Some requests wait for their jobs."""
    prefix, bus = keys.job_keys("").state, bus_on(client)

    async def end_all() -> None:
        ended: set[str] = set()
        while True:
            await asyncio.sleep(0.1)
            states = [key.decode() async for key in client.scan_iter(f"{prefix}*", count=1000)]
            for job_id in {state.removeprefix(prefix) for state in states} - ended:
                if ":" not in job_id:
                    ended.add(job_id)
                    state = await bus.jobs.state(job_id)
                    if state is not None and state.config.enrolls:
                        silent = msgspec.json.encode(JobError("bad_audio", "no voice"))
                        at = keys.job_keys(job_id)
                        await bus.jobs.finish(at, state.epoch, JobStatus.FAILED, error=silent, now_ms=wall_ms())
                    else:
                        await end_job(client, job_id, "words")

    task = asyncio.create_task(end_all())
    try:
        yield
    finally:
        await cancel_and_wait(task)


async def test_every_status_is_described_and_none_is_a_failure(
    program: Path, redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    store = await open_key_store(tmp_path / "spool-data")
    key = await stored_key(store, *Scope, quotas=Quotas(requests_per_minute=0))
    await store.close()
    async with (
        stand_ins(redis_client),
        jobs_that_end(redis_client),
        keyed(redis_client, redis_url, tmp_path) as gateway,
    ):
        await tell_status(redis_client, "transcriber", capacity=16, detail={"model": "base"})
        options = [
            *("--header", f"Authorization: Bearer {key.text}"),
            *("--checks", "not_a_server_error,status_code_conformance"),
            *("--phases", "coverage,fuzzing"),
            *("--max-time", str(SECONDS)),
            *("--request-timeout", "20"),
            *("--suppress-health-check", "all"),
            *("--warnings", "off"),
        ]
        process = await asyncio.create_subprocess_exec(
            program,
            "run",
            f"{gateway.url}/openapi.json",
            *options,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_PROXY": "*", "PYTHONUTF8": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-12_000:]
    assert b"generated" in said
