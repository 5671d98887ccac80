"""A file job's way through the audio-processor on a real server, the spool folder, and the process as a whole."""

import asyncio
import io
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import av
import msgspec
import numpy as np
import psutil
import pytest
from redis.asyncio import Redis
from support import decoder_bombs
from support.encoders import damaged_mp4
from support.failed_start import failed_start
from support.job_harness import Mortal
from support.wiring import bus_on, read_state

from stt_audio.files.decoder import FileDecoder
from stt_audio.files.decoder_child import Message
from stt_audio.files.decoder_process import DecoderProcess
from stt_audio.files.jobs import MAX_AHEAD_S, MAX_LOST_DECODERS, FileJobs
from stt_audio.files.spool import sweep
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta, frame_from_entry
from stt_shared.contracts.jobs import JobConfig, JobError
from stt_shared.contracts.session import SessionConfig, encode_json
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.client import connect
from stt_shared.streams import keys
from stt_shared.streams.keys import job_keys, session_keys
from stt_shared.streams.ownership import Ownership
from stt_shared.streams.replicas import Replicas
from stt_shared.work.stage import Assignment

pytestmark = pytest.mark.contract

JOB = "job-0123456789abcdef"
AT = job_keys(JOB)


def wav(duration_s: float) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        samples = (np.arange(int(16000 * duration_s)) % 16000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
    return file.getvalue()


async def created(client: Redis, spool: Path, content: bytes | None, job_id: str = JOB) -> None:
    if content is not None:
        (spool / job_id).write_bytes(content)
    at = job_keys(job_id)
    await bus_on(client).sessions.open(at, "e1", encode_json(JobConfig(spool_name=job_id)), 0, keys.JOB_TTL_S)
    await client.hset(at.state, "status", "queued")


async def assigned(client: Redis, replica: str = "a", follows: str = "") -> Assignment:
    owner = await bus_on(client).sessions.claim(AT, "e1", keys.STAGE_AUDIO, replica, follows)
    assert owner is not None
    return Assignment(owner, await read_state(client, AT), follows)


async def log(client: Redis) -> list[Frame]:
    entries = await client.xrange(AT.pcm_log)
    return [frame_from_entry(int(entry_id.partition(b"-")[0]), fields) for entry_id, fields in entries]


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while True:
            if await look():
                return
            await asyncio.sleep(0.01)


async def taken(client: Redis, n_seconds: int) -> None:
    """The transcriber has handed out the file up to here."""
    await client.hset(AT.state, mapping={"committed_seq": n_seconds, "committed_samples": 16000 * n_seconds})
    await client.xtrim(AT.pcm_log, minid=f"{n_seconds + 1}-0", approximate=False)


async def until_full(client: Redis) -> None:
    async def full() -> bool:
        return len(await log(client)) == MAX_AHEAD_S

    await until(full)


@pytest.fixture
def jobs(redis_client: Redis, tmp_path: Path) -> FileJobs:
    return FileJobs(bus_on(redis_client), tmp_path, 16000 * 3600)


async def test_a_file_becomes_frames_of_a_second(redis_client: Redis, jobs: FileJobs, tmp_path: Path) -> None:
    await created(redis_client, tmp_path, wav(3.5))
    await jobs.handle(await assigned(redis_client))
    frames = await log(redis_client)
    assert [len(frame.data) for frame in frames] == [32_000, 32_000, 32_000, 16_000, 0]
    assert [frame.meta.start_sample for frame in frames] == [0, 16000, 32000, 48000, 56000]
    assert (frames[-1].kind, frames[-1].meta.error) == (FrameKind.STOP, None)
    state = await read_state(redis_client, AT)
    assert (state[b"status"], state[b"total_samples"]) == (b"processing", b"56000")
    assert (tmp_path / JOB).exists()  # the sweeper deletes it, once the job has ended


async def test_what_could_not_be_decoded_is_recorded_with_the_job(
    redis_client: Redis, jobs: FileJobs, tmp_path: Path
) -> None:
    content = damaged_mp4(10.0)
    await created(redis_client, tmp_path, content)
    with FileDecoder(tmp_path / JOB, 10**9) as decoder:
        n_samples = sum(len(frame) // 2 for frame in iter(decoder.read, b""))
        found = decoder.found
    assert [warning.code for warning in found.warnings] == ["damaged"]
    await jobs.handle(await assigned(redis_client))
    state = await bus_on(redis_client).jobs.state(JOB)
    assert state is not None
    assert (state.total_samples, state.decoded) == (n_samples, found)


async def test_a_long_file_waits_for_the_transcriber(redis_client: Redis, jobs: FileJobs, tmp_path: Path) -> None:
    await created(redis_client, tmp_path, wav(MAX_AHEAD_S + 10.0))
    task = asyncio.create_task(jobs.handle(await assigned(redis_client)))
    await until_full(redis_client)
    await asyncio.sleep(0.2)
    assert len(await log(redis_client)) == MAX_AHEAD_S
    assert (await read_state(redis_client, AT))[b"total_samples"] == str(16000 * (MAX_AHEAD_S + 10)).encode()
    await taken(redis_client, 32)
    async with asyncio.timeout(10):
        await task
    assert [frame.seq for frame in await log(redis_client)] == list(range(33, MAX_AHEAD_S + 12))


async def test_a_cancelled_job_is_left_at_once(redis_client: Redis, jobs: FileJobs, tmp_path: Path) -> None:
    await created(redis_client, tmp_path, wav(MAX_AHEAD_S + 10.0))
    task = asyncio.create_task(jobs.handle(await assigned(redis_client)))
    await until_full(redis_client)
    await bus_on(redis_client).jobs.finish(AT, "e1", "cancelled", now_ms=1.0)
    async with asyncio.timeout(5):
        await task
    state = await read_state(redis_client, AT)
    assert (state[b"status"], state[b"error"]) == (b"cancelled", b"")
    assert await redis_client.xlen(AT.pcm_log) == 0


class Decoders:
    """Processes of decoders that jobs have started."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    def alive(self) -> list[int]:
        return [pid for pid in self.pids if psutil.pid_exists(pid)]


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> Decoders:
    started = Decoders()

    class Watched(DecoderProcess):
        def _next(self) -> Message:
            if self._process.pid not in started.pids:
                assert self._process.pid is not None
                started.pids.append(self._process.pid)
            return super()._next()

    monkeypatch.setattr("stt_audio.files.jobs.DecoderProcess", Watched)
    return started


async def test_a_job_cancelled_while_its_file_is_opened_ends_the_decoder(
    redis_client: Redis, jobs: FileJobs, tmp_path: Path, decoders: Decoders
) -> None:
    await created(redis_client, tmp_path, None)
    os.mkfifo(tmp_path / JOB)  # opening it takes for ever
    task = asyncio.create_task(jobs.handle(await assigned(redis_client)))

    async def decoding() -> bool:
        return len(decoders.alive()) == 1

    async def ended() -> bool:
        return not decoders.alive()

    await until(decoding)
    await bus_on(redis_client).jobs.finish(AT, "e1", "cancelled", now_ms=1.0)
    async with asyncio.timeout(10):
        await task
    await until(ended)
    state = await read_state(redis_client, AT)
    assert (state[b"status"], state[b"error"]) == (b"cancelled", b"")


@pytest.mark.parametrize(("fault", "code"), [(signal.SIGSEGV, "bad_audio"), (signal.SIGXCPU, "too_large")])
async def test_a_decoder_that_dies_costs_its_file_alone(
    redis_client: Redis, jobs: FileJobs, tmp_path: Path, decoders: Decoders, fault: signal.Signals, code: str
) -> None:
    await created(redis_client, tmp_path, wav(MAX_AHEAD_S + 10.0))
    task = asyncio.create_task(jobs.handle(await assigned(redis_client)))
    await until_full(redis_client)
    os.kill(decoders.pids[0], fault)
    await taken(redis_client, 32)
    async with asyncio.timeout(10):
        await task
    error = msgspec.json.decode((await read_state(redis_client, AT))[b"error"], type=JobError)
    assert error.code == code
    assert await redis_client.xlen(keys.JOBS_DEAD) == 0  # no worker has died
    assert len(decoders.pids) == 1


async def test_a_decoder_killed_from_outside_is_replaced(
    redis_client: Redis, jobs: FileJobs, tmp_path: Path, decoders: Decoders
) -> None:
    await created(redis_client, tmp_path, wav(MAX_AHEAD_S + 10.0))
    task = asyncio.create_task(jobs.handle(await assigned(redis_client)))
    await until_full(redis_client)
    os.kill(decoders.pids[0], signal.SIGKILL)
    await taken(redis_client, 32)
    async with asyncio.timeout(20):
        await task
    frames = await log(redis_client)
    assert [frame.seq for frame in frames] == list(range(33, MAX_AHEAD_S + 12))
    assert [frame.meta.start_sample // 16000 for frame in frames] == [*range(32, MAX_AHEAD_S + 11)]
    assert frames[-1].kind is FrameKind.STOP
    assert len(decoders.pids) == 2


async def test_a_file_whose_decoders_are_always_killed_is_given_up(
    redis_client: Redis, jobs: FileJobs, tmp_path: Path, decoders: Decoders
) -> None:
    await created(redis_client, tmp_path, None)
    os.mkfifo(tmp_path / JOB)
    task = asyncio.create_task(jobs.handle(await assigned(redis_client)))
    for number in range(MAX_LOST_DECODERS):

        async def started(number: int = number) -> bool:
            return len(decoders.pids) == number + 1

        await until(started)
        os.kill(decoders.pids[-1], signal.SIGKILL)
    async with asyncio.timeout(10):
        await task
    error = msgspec.json.decode((await read_state(redis_client, AT))[b"error"], type=JobError)
    assert (error.code, error.message) == ("bad_audio", "3 decoders of this file were killed, one after another")


async def test_a_position_that_no_file_has_fails_the_job_as_bad_audio(
    redis_client: Redis, jobs: FileJobs, tmp_path: Path
) -> None:
    await created(redis_client, tmp_path, decoder_bombs.mp4_far_away(1 << 50))
    await jobs.handle(await assigned(redis_client))
    error = msgspec.json.decode((await read_state(redis_client, AT))[b"error"], type=JobError)
    assert error.code == "bad_audio"


async def test_a_job_cancelled_before_its_turn_stays_so(redis_client: Redis, jobs: FileJobs, tmp_path: Path) -> None:
    await created(redis_client, tmp_path, wav(1))
    assignment = await assigned(redis_client)
    await bus_on(redis_client).jobs.finish(AT, "e1", "cancelled", now_ms=1.0)
    await jobs.handle(assignment)
    assert (await read_state(redis_client, AT))[b"status"] == b"cancelled"


async def test_a_successor_writes_the_same_frames(redis_client: Redis, jobs: FileJobs, tmp_path: Path) -> None:
    await created(redis_client, tmp_path, wav(MAX_AHEAD_S + 5.0))
    task = asyncio.create_task(jobs.handle(await assigned(redis_client, "a")))
    await until_full(redis_client)
    await cancel_and_wait(task)
    await taken(redis_client, 60)
    await jobs.handle(await assigned(redis_client, "b", follows="a"))
    frames = await log(redis_client)
    assert [frame.meta.start_sample // 16000 for frame in frames] == [*range(60, MAX_AHEAD_S + 6)]
    assert len({frame.data for frame in frames if frame.data}) == 1  # each second holds the same ramp


@pytest.mark.parametrize("answer_lost", [False, True], ids=["before the call", "before its answer"])
async def test_an_audio_processor_may_die_at_any_call(
    redis_client: Redis, redis_url: str, tmp_path: Path, answer_lost: bool
) -> None:
    async def disturbed(mortal: Mortal) -> list[Frame]:
        await redis_client.flushall()
        await created(redis_client, tmp_path, wav(6.5))
        client = connect(redis_url)
        bus = bus_on(client)
        mortal.wrap(bus)
        first = FileJobs(bus, tmp_path, 16000 * 3600)
        task = asyncio.create_task(first.handle(await assigned(redis_client, "a")))
        death = asyncio.create_task(mortal.dead.wait())
        await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
        await cancel_and_wait(death)
        await cancel_and_wait(task)
        await client.aclose()
        if mortal.dead.is_set():
            second = FileJobs(bus_on(redis_client), tmp_path, 16000 * 3600)
            await second.handle(await assigned(redis_client, "b", follows="a"))
        assert (await read_state(redis_client, AT))[b"total_samples"] == str(int(6.5 * 16000)).encode()
        frames = await log(redis_client)
        return [Frame(f.seq, f.kind, f.data, FrameMeta(start_sample=f.meta.start_sample)) for f in frames]

    alive = Mortal()
    calm = await disturbed(alive)
    assert [frame.kind for frame in calm] == [FrameKind.AUDIO] * 7 + [FrameKind.STOP]
    for die_at in range(1, alive.calls + 1):
        assert await disturbed(Mortal(die_at, answer_lost=answer_lost)) == calm, die_at


async def test_a_file_that_kills_three_decoders_is_given_up(
    redis_client: Redis, jobs: FileJobs, tmp_path: Path
) -> None:
    await created(redis_client, tmp_path, wav(2))
    await assigned(redis_client, "a0")
    for number in range(2):
        # Taken over, and dead before it has decoded anything.
        assignment = await assigned(redis_client, f"a{number + 1}", follows=f"a{number}")
        found = await bus_on(redis_client).sessions.count_crash(
            AT, "e1", "audio", assignment.follows, progress_field="pcm_seq"
        )
        assert len(found) == number + 1
    await jobs.handle(await assigned(redis_client, "a3", follows="a2"))
    state = await read_state(redis_client, AT)
    error = msgspec.json.decode(state[b"error"], type=JobError)
    assert (state[b"status"], error.code) == (b"failed", "internal")
    assert "3 workers died" in error.message
    ((_, note),) = await redis_client.xrange(keys.JOBS_DEAD)
    assert (note[b"part"], note[b"workers"]) == (b"audio", b"a0 a1 a2")
    assert await log(redis_client) == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "bad_audio"),
        (b"#EXTM3U\nfile:///etc/passwd", "unsupported_media"),
        (b"fLaC" + bytes(500), "bad_audio"),
        (None, "internal"),
    ],
)
async def test_what_is_no_audio_fails_the_job(
    redis_client: Redis, jobs: FileJobs, tmp_path: Path, content: bytes | None, code: str
) -> None:
    await created(redis_client, tmp_path, content)
    await jobs.handle(await assigned(redis_client))
    state = await read_state(redis_client, AT)
    error = msgspec.json.decode(state[b"error"], type=JobError)
    assert (state[b"status"], error.code) == (b"failed", code)
    assert str(tmp_path) not in error.message


async def test_too_long_a_file_fails_the_job(redis_client: Redis, tmp_path: Path) -> None:
    await created(redis_client, tmp_path, wav(3))
    await FileJobs(bus_on(redis_client), tmp_path, 32_000).handle(await assigned(redis_client))
    state = await read_state(redis_client, AT)
    assert msgspec.json.decode(state[b"error"], type=JobError).code == "too_large"


async def test_a_name_cannot_lead_out_of_the_spool_folder(redis_client: Redis, jobs: FileJobs, tmp_path: Path) -> None:
    config = JobConfig(spool_name="../" + tmp_path.name + "/x")
    (tmp_path / "x").write_bytes(wav(1))
    await bus_on(redis_client).sessions.open(AT, "e1", encode_json(config), 0, keys.JOB_TTL_S)
    await jobs.handle(await assigned(redis_client))
    assert (await read_state(redis_client, AT))[b"status"] == b"failed"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_the_sweeper_deletes_what_nobody_needs_and_nothing_else(redis_client: Redis, tmp_path: Path) -> None:
    ids = {name: f"{name}-0123456789abcdef" for name in ("queued", "completed", "cancelled", "orphan", "fresh")}
    for name, job_id in ids.items():
        (tmp_path / f"{job_id}.mp3").write_bytes(b"x")
        if name in ("queued", "completed", "cancelled"):
            await redis_client.hset(job_keys(job_id).state, mapping={"epoch": "e", "status": name})
    (tmp_path / "notes.txt").write_bytes(b"x")
    (tmp_path / "folder-0123456789abcdef").mkdir()
    old = time.time() - 100
    for name in names(tmp_path):
        if "fresh" not in name:
            os.utime(tmp_path / name, (old, old))
    assert await sweep(bus_on(redis_client), tmp_path) == 3
    assert names(tmp_path) == {
        f"{ids['queued']}.mp3",
        f"{ids['fresh']}.mp3",
        "notes.txt",
        "folder-0123456789abcdef",
    }


async def test_the_process_serves_and_leaves_in_order(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    environment = {**os.environ, "REDIS_URL": redis_url, "SPOOL_DIR": str(tmp_path / "spool")}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "stt_audio", env=environment)
    try:
        bus = bus_on(redis_client)
        at = session_keys("live")
        await bus.sessions.open(at, "e1", encode_json(SessionConfig()), 0, keys.SESSION_TTL_S)
        await redis_client.xadd(keys.SESSIONS_WAITING, {"id": "live", "epoch": "e1"})
        await bus.sessions.append_audio(Ownership(at, "e1"), Frame(1, FrameKind.AUDIO, bytes(3200)))
        (tmp_path / "spool").mkdir(exist_ok=True)
        await created(redis_client, tmp_path / "spool", wav(2))
        await redis_client.xadd(keys.JOBS_WAITING, {"id": JOB, "epoch": "e1"})

        async def both_are_decoded() -> bool:
            return await redis_client.xlen(at.pcm_log) == 1 and await redis_client.xlen(AT.pcm_log) == 3

        async def is_told() -> bool:
            return [(one.state, one.sessions) for one in await Replicas(redis_client).living()] == [expected]

        await until(both_are_decoded)
        expected = ("ready", 1)
        await until(is_told)
        replicas = await Replicas(redis_client).living()
        assert replicas[0].service == "audio-processor"
        assert b"stt_stage_seconds" in (await Replicas(redis_client).metrics(replicas))[replicas[0].id]
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        assert await Replicas(redis_client).living() == []
        # Whoever comes next finds the session waiting, and nobody as its owner.
        entries = await redis_client.xrange(keys.SESSIONS_WAITING)
        assert entries[-1][1][b"id"] == b"live"
        assert entries[-1][1][b"stage"] == keys.STAGE_AUDIO.encode()
        assert await redis_client.hget(at.state, "owner:audio") == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("bomb", [decoder_bombs.wav_tag, lambda: decoder_bombs.mp4_sample_table(2_700_000, tracks=20)])
async def test_a_file_costs_the_process_no_memory(
    bomb: Callable[[], bytes], redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the system does not tell a process's peak memory")
    own = {"REDIS_URL": redis_url, "SPOOL_DIR": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "stt_audio", env={**os.environ, **own})
    try:
        await created(redis_client, tmp_path, bomb())
        await redis_client.xadd(keys.JOBS_WAITING, {"id": JOB, "epoch": "e1"})

        async def has_failed() -> bool:
            return (await read_state(redis_client, AT)).get(b"status") == b"failed"

        await until(has_failed)
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert int(status.partition("VmHWM:")[2].split()[0]) < 250 * 1024
    finally:
        process.kill()
        await process.wait()


async def test_without_redis_the_process_says_so(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/none.sock"
    code, said = await failed_start("-m", "stt_audio", REDIS_URL=url, REDIS_WAIT_S="1", SPOOL_DIR=str(tmp_path))
    assert code == 1
    last = said.strip().splitlines()[-1]
    assert last.startswith(f"error: cannot reach Redis at {url}: ")
    assert last.endswith(" No such file or directory; check REDIS_URL (waited 1 s)")


async def test_an_upload_under_way_may_wait_for_an_hour(redis_client: Redis, tmp_path: Path) -> None:
    """A request with several files lost its first one when the others took more than a minute."""
    part = tmp_path / "0123456789abcdef0123.part"
    part.write_bytes(b"x")
    for age_s, deleted in ((600, 0), (4000, 1)):
        os.utime(part, (time.time() - age_s,) * 2)
        assert await sweep(bus_on(redis_client), tmp_path) == deleted
