"""`stt store backup` and `restore` beside a suite that runs: every transcript comes back, and is found."""

import asyncio
import os
import sys
from pathlib import Path

import httpx2
import numpy as np
import pytest
from chaos.oracle import Speech, frame, word
from support.file_client import post
from support.gateway_harness import until
from support.process_suite import running_suite, wav

from stt_shared.process.tasks import cancel_and_wait

# Three processes start.
pytestmark = [pytest.mark.contract, pytest.mark.timeout(240)]

TRANSCRIPTS = "/v1/stt/transcripts"
SILENCE = np.zeros(8000, np.int16)


async def stt_store(folder: Path, *arguments: str) -> str:
    """What `stt store` prints beside the suite of this folder."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stt_cli", "store", *arguments),
        env={**os.environ, "DATA_DIR": str(folder / "data")},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return said.decode()


async def test_transcripts_come_back_from_a_backup_made_while_others_are_stored(redis_url: str, tmp_path: Path) -> None:
    jobs: dict[str, str] = {}
    async with (
        running_suite(tmp_path, redis_url) as suite,
        httpx2.AsyncClient(base_url=suite.url, trust_env=False, timeout=30) as http,
    ):

        async def send(number: int) -> str:
            spoken = Speech(np.concatenate([SILENCE, frame(number), SILENCE]), {})
            job_id = await post(http, f"talk{number}.wav", wav(spoken))
            jobs[job_id] = word(number)
            return job_id

        async def keep_sending() -> None:
            for number in range(1000):
                await send(number)
                await asyncio.sleep(0.05)

        async def stored() -> set[str]:
            found = (await http.get(TRANSCRIPTS, params={"limit": 100})).json()["transcripts"]
            return {one["id"] for one in found if one["state"] == "completed"}

        async def is_found(job_id: str) -> bool:
            found = (await http.get(TRANSCRIPTS, params={"query": jobs[job_id]})).json()["transcripts"]
            return [one["id"] for one in found] == [job_id]

        async def enough() -> set[str]:
            found = await stored()
            return found if len(found) >= 5 else set()

        sending = asyncio.create_task(keep_sending())
        try:
            before = await until(enough, 90)
            await stt_store(tmp_path, "backup", str(tmp_path / "b.stt"))
        finally:
            await cancel_and_wait(sending)
        for job_id in before:
            assert (await http.delete(f"{TRANSCRIPTS}/{job_id}")).status_code == 204
        assert not before & await stored()
        await stt_store(tmp_path, "restore", "--replace", str(tmp_path / "b.stt"))
        assert [job_id for job_id in before if not await is_found(job_id)] == []
        assert "error" not in await stt_store(tmp_path, "check")
        # The suite goes on with the restored store.
        later = await send(1000)
        await until(lambda: is_found(later), 90)
