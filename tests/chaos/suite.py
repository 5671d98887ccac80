"""The suite as separate processes that can be killed, frozen and cut off one by one: Redis, and replicas of each
service, each with a fault proxy between itself and Redis where that is asked for."""

import asyncio
import contextlib
import glob
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.asyncio import Redis
from support.cluster_servers import ClusterServers
from support.fault_proxy import FaultProxy
from support.ports import free_port
from support.replicated_redis import ReplicatedRedis
from support.sentinel_servers import SentinelServers

from chaos.front import Front
from chaos.replica import Replica
from chaos.service import MODULES
from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.redis.client import connect
from stt_shared.streams import keys
from stt_shared.streams.replicas import Replicas

REPLICATED: dict[str, type[ReplicatedRedis]] = {"sentinels": SentinelServers, "cluster": ClusterServers}
STAGES = {"audio-processor": keys.STAGE_AUDIO, "transcriber": keys.STAGE_TRANSCRIBER}
START_TIMEOUT_S = 60.0
_TESTS = Path(__file__).parent.parent


class Skip(Exception):
    """This machine cannot do the scenario; the message says why."""


@dataclass(frozen=True)
class Setup:
    """What to start. ``without``: mechanisms that the services do without, by name (chaos/twins.py)."""

    gateways: int = 2
    audio_processors: int = 2
    transcribers: int = 3
    aof: bool = False
    redis: str = "alone"
    """``sentinels``: a master, its replica and three sentinels; ``cluster``: three masters with a replica each."""
    proxied: bool = False
    fake_clock: str = ""
    """Whose wall clock can be set: ``services``, or ``redis``, which needs libfaketime."""
    without: str = ""
    env: tuple[tuple[str, str], ...] = ()


class ChaosSuite:
    """A running suite; see ``running``."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.setup = setup
        self.spool = folder / "spool"
        self.folder = folder
        self.port = free_port()
        # With "everysec", Redis answers before it has written what arrives while its disk is slow (fsync).
        persistence = ("--appendonly", "yes", "--appendfsync", "always") if setup.aof else ()
        self._server = EmbeddedRedis(("--port", str(self.port), "--enable-debug-command", "local", *persistence))
        self.replicated = REPLICATED[setup.redis](folder) if setup.redis in REPLICATED else None
        self.replicas: list[Replica] = []
        self.front = Front(lambda: [gateway for gateway in self.of("gateway") if gateway.runs])
        self.redis_url = self.replicated.url if self.replicated else f"redis://127.0.0.1:{self.port}/0"
        self.redis: Redis = connect(self.redis_url)

    # ---- life

    async def start(self) -> None:
        self.spool.mkdir()
        self.set_clock(0)
        if self.replicated:
            await asyncio.to_thread(self.replicated.start)
        else:
            self._start_redis()
        counts = {
            "gateway": self.setup.gateways,
            "audio-processor": self.setup.audio_processors,
            "transcriber": self.setup.transcribers,
        }
        for service in MODULES:
            for number in range(counts[service]):
                self.replicas.append(await self._replica(service, number))
        for replica in self.replicas:
            replica.start()
        await self.front.start()
        await self.ready()

    async def stop(self) -> None:
        await self.front.stop()
        for replica in self.replicas:
            replica.send(signal.SIGCONT)
            replica.send(signal.SIGKILL)
            if replica.process is not None:
                replica.process.wait()
            if replica.proxy is not None:
                await replica.proxy.stop()
        await self.redis.aclose()
        if self.replicated:
            self.replicated.stop()
        else:
            self._server.stop()

    async def ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Every replica lives and says that it is ready; those that died are started again."""
        deadline = time.monotonic() + timeout_s
        while True:
            missing = await self._not_ready()
            if not missing:
                return
            if time.monotonic() > deadline:
                said = {replica.name: replica.log.read_text()[-600:] for replica in missing}
                raise RuntimeError(f"not ready after {timeout_s:g} s: {said}")
            for replica in missing:
                if not replica.runs:
                    replica.start()
            await asyncio.sleep(0.05)

    async def _not_ready(self) -> list[Replica]:
        try:
            living = await Replicas(self.redis).living()
        except (redis.ConnectionError, redis.TimeoutError):
            return list(self.replicas)
        ready = {pid_of(status.id) for status in living if status.state == "ready"}
        return [replica for replica in self.replicas if not replica.runs or replica.pid not in ready]

    async def _replica(self, service: str, number: int) -> Replica:
        port = free_port() if service == "gateway" else 0
        redis_url, proxy = self.redis_url, None
        if self.setup.proxied:
            proxy = FaultProxy(f"127.0.0.1:{self.port}")
            await proxy.start()
            redis_url = f"redis://127.0.0.1:{proxy.port}/0"
        env = {
            **os.environ,
            "PYTHONPATH": str(_TESTS),
            "REDIS_URL": redis_url,
            "SPOOL_DIR": str(self.spool),
            "DATA_DIR": str(self.folder / "data"),
            "PORT": str(port),
            "WHISPER_ENGINE": "instant",
            "VAD": "rms",
            "STREAMING_WORKERS": "8",
            "TRANSCRIBER_MAX_SESSIONS": "1000",
            "AUDIO_MAX_SESSIONS": "1000",
            "MAX_OPENINGS_PER_MINUTE": "0",
            "LOG_LEVEL": "INFO",
            "CHAOS_WITHOUT": self.setup.without,
            **({"CHAOS_CLOCK": str(self.folder / "clock")} if self.setup.fake_clock == "services" else {}),
            **dict(self.setup.env),
        }
        name = f"{service}-{number}"
        return Replica(service, name, env, self.folder / f"{name}.log", port, proxy)

    # ---- who is who

    def of(self, service: str) -> list[Replica]:
        return [replica for replica in self.replicas if replica.service == service]

    @property
    def gateway_urls(self) -> list[str]:
        return [gateway.url for gateway in self.of("gateway")]

    async def state(self, session_ids: Sequence[str], name: str) -> list[str]:
        """One field of the hashes of sessions; '' where it is missing."""
        pipe = self.redis.pipeline(transaction=False)
        for session_id in session_ids:
            pipe.hget(keys.session_keys(session_id).state, name)
        return [(value or b"").decode() for value in await pipe.execute()]

    async def refused_writes(self, pid: int) -> float:
        """Writes that Redis refused to this process, by its own count."""
        living = [status for status in await Replicas(self.redis).living() if pid_of(status.id) == pid]
        texts = await Replicas(self.redis).metrics(living)
        lines = [line for text in texts.values() for line in text.decode().splitlines()]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("stt_refused_writes_total{"))

    # ---- Redis

    def kill_redis(self) -> None:
        """As a crash: nothing is written any more."""
        os.kill(self._server.pid, signal.SIGKILL)
        while not self._server.has_ended:
            time.sleep(0.005)

    def start_redis(self) -> None:
        """With what the AOF holds, or empty."""
        self._start_redis()

    # ---- clocks

    def set_clock(self, offset_s: int) -> None:
        """Moves the wall clock of those whose clock can be set; time that runs (monotonic) goes on."""
        # In one step: a reader must not find half of it.
        fresh = self.folder / "clock.new"
        fresh.write_text(f"{offset_s:+d}")
        fresh.rename(self.folder / "clock")

    def _start_redis(self) -> None:
        if self.setup.fake_clock != "redis":
            self._server.start()
            return
        library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
        if library is None:
            raise Skip("no libfaketime here (Debian: apt-get install faketime)")
        faked = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self.folder / "clock"),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        os.environ.update(faked)
        try:
            self._server.start()
        finally:
            for name in faked:
                del os.environ[name]


@contextlib.asynccontextmanager
async def running(setup: Setup, keep_logs: Path | None = None) -> AsyncIterator[ChaosSuite]:
    """Starts a suite and stops it; ``keep_logs``: a folder for the services' logs."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        suite = ChaosSuite(setup, Path(folder))
        try:
            await suite.start()
            yield suite
        finally:
            await suite.stop()
            if keep_logs is not None:
                keep_logs.mkdir(parents=True, exist_ok=True)
                for replica in suite.replicas:
                    (keep_logs / replica.log.name).write_bytes(replica.log.read_bytes())


def pid_of(replica_id: str) -> int:
    """The process id in a replica's id; 0 for the id of nobody."""
    parts = replica_id.split("-")
    return int(parts[-2]) if len(parts) > 2 and parts[-2].isdigit() else 0
