"""The three services as processes on a real Redis behind a fault proxy; their model is the oracle."""

import contextlib
import io
import os
import wave
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
from chaos.oracle import Speech, word
from chaos.replica import Replica
from chaos.service import MODULES
from chaos.talk import Talk

from support.fault_proxy import FaultProxy
from support.gateway_harness import until
from support.ports import free_port

TESTS = Path(__file__).parents[1]


class Suite:
    """One replica of each service as a process, its model the oracle, all behind one proxy."""

    def __init__(
        self, folder: Path, proxy: FaultProxy, settings: dict[str, str], urls: Mapping[str, str] | None = None
    ) -> None:
        self.proxy = proxy
        self.port = free_port()
        env = {
            **os.environ,
            "PYTHONPATH": str(TESTS),
            "REDIS_URL": proxy.url,
            "SPOOL_DIR": str(folder / "spool"),
            "DATA_DIR": str(folder / "data"),
            "PORT": str(self.port),
            "WHISPER_ENGINE": "instant",
            "VAD": "rms",
            **settings,
        }
        self.replicas = [
            Replica(service, service, env | _redis_of(service, urls), folder / f"{service}.log", self.port)
            for service in MODULES
        ]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def health(self) -> dict[str, Any]:
        async with httpx2.AsyncClient(trust_env=False) as http:
            with contextlib.suppress(httpx2.TransportError):
                body: dict[str, Any] = (await http.get(f"{self.url}/health")).json()
                return body
        return {"status": ""}

    async def healthy(self) -> bool:
        return bool((await self.health())["status"] == "healthy")

    def talk(self, name: str, spoken: Speech) -> Talk:
        url = self.replicas[0].url
        return Talk(name, spoken, url, url, pace=1.0)

    @property
    def deaths(self) -> list[str]:
        return [replica.name for replica in self.replicas if not replica.runs]

    def logs(self) -> str:
        return "".join(replica.log.read_text() for replica in self.replicas)


@contextlib.asynccontextmanager
async def running_suite(
    folder: Path, redis_url: str, *, urls: Mapping[str, str] | None = None, **settings: str
) -> AsyncIterator[Suite]:
    """``urls``: of Redis, by service, where each has its own; past the proxy."""
    async with FaultProxy(redis_url) as proxy:
        suite = Suite(folder, proxy, settings, urls)
        try:
            for replica in suite.replicas:
                replica.start()
            await until(suite.healthy, 90)
            yield suite
        finally:
            for replica in suite.replicas:
                if replica.process is not None:
                    replica.process.kill()
                    replica.process.wait()


def _redis_of(service: str, urls: Mapping[str, str] | None) -> dict[str, str]:
    return {} if urls is None else {"REDIS_URL": urls[service]}


def wav(spoken: Speech) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(spoken.samples.tobytes())
    return buffer.getvalue()


def words_of(spoken: Speech) -> list[str]:
    return [word(index) for index in spoken.starts_ms]


def heard(talk: Talk) -> list[str]:
    return [spoken["word"] for final in talk.kind("final") for spoken in final["words"]]
