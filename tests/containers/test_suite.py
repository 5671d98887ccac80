"""Containers as docker-compose.yml describes them, with a real model: what they do, and what they cannot do."""

import asyncio
import time
from collections.abc import Iterator

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from support import encoders, recordings
from support.file_client import finished, post
from support.live_client import chunked, talk, words
from support.recordings import BECKETT_TEXT

from containers.compose import PROJECT, Compose, Container, DockerError, health, is_ready, replicas, run

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

READY_WITHIN_S = 300.0
REACH = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


def wait_until_ready(compose: Compose) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not is_ready(health(compose.url), compose.containers()):
        if time.monotonic() > deadline:
            pytest.fail(f"not ready within {READY_WITHIN_S:g} s\n{compose.story()}")
        time.sleep(0.5)


@pytest.fixture(scope="module")
def compose(images: None) -> Iterator[Compose]:
    """Up, with one replica of each service."""
    compose = Compose()
    try:
        compose("up", "--detach")
        wait_until_ready(compose)
        yield compose
    finally:
        compose.down()


@pytest.fixture(scope="module")
def containers(compose: Compose) -> list[Container]:
    return compose.containers()


@pytest.fixture(scope="module")
def beckett() -> NDArray[np.float32]:
    try:
        return recordings.beckett()
    except recordings.SpeechMissing as error:
        pytest.skip(str(error))


async def test_a_file_is_transcribed(compose: Compose, beckett: NDArray[np.float32]) -> None:
    data = encoders.encoded(beckett, "mp3", "libmp3lame", rate=44100, layout="stereo")
    async with httpx2.AsyncClient(base_url=compose.url, timeout=60, trust_env=False) as client:
        view = await finished(client, await post(client, "beckett.mp3", data, language="en"))
    assert view["status"] == "completed", view
    assert words(view["result"]["text"]) == words(BECKETT_TEXT)


async def test_a_live_stream_is_transcribed(compose: Compose, beckett: NDArray[np.float32]) -> None:
    url = compose.url.replace("http", "ws") + "/v1/stt/stream?language=en"
    chunks = chunked((beckett * 32767).astype("<i2").tobytes(), 3200)
    heard = await talk(url, chunks, every_s=0.1, timeout_s=90)
    assert words(heard.text) == words(BECKETT_TEXT)
    assert heard.of("partial")
    assert heard.events[-1]["type"] == "done"


def test_the_engines_own_health_checks_pass(compose: Compose) -> None:
    deadline = time.monotonic() + 60
    while unhealthy := [each.name for each in compose.containers() if each.health != "healthy"]:
        assert time.monotonic() < deadline, unhealthy
        time.sleep(0.5)


def test_nobody_is_root_or_could_become_it(containers: list[Container]) -> None:
    for each in containers:
        assert each.execute("id", "-u").strip() != "0", each.name
        status = dict(
            line.split(":\t") for line in each.execute("cat", "/proc/self/status").splitlines() if ":\t" in line
        )
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, each.name
        assert status["NoNewPrivs"] == "1", each.name


def test_root_file_systems_are_read_only(containers: list[Container]) -> None:
    for each in containers:
        for path in ("/written", "/etc/written", "/usr/written", "/var/written"):
            with pytest.raises(DockerError, match="Read-only file system"):
                each.execute("touch", path)


def networks(container: Container) -> dict[str, str]:
    """Its address in each of its networks."""
    text = container.inspect("{{range $name, $at := .NetworkSettings.Networks}}{{$name}} {{$at.IPAddress}}\n{{end}}")
    return dict(line.split() for line in text.splitlines())


def test_only_the_gateway_has_a_way_out(containers: list[Container]) -> None:
    by_service = {each.service: each for each in containers}
    outside = networks(by_service["api-gateway"])[f"{PROJECT}_outside"]
    # The same address is reached from its own network, and Redis from the inner one: only the way out is missing.
    by_service["api-gateway"].execute("python", "-c", REACH, outside, "8000")
    for service in ("audio-processor", "transcriber"):
        by_service[service].execute("python", "-c", REACH, "redis", "6379")
        for address in ((outside, "8000"), ("192.0.2.1", "443")):
            with pytest.raises(DockerError, match=r"unreachable|timed out"):
                by_service[service].execute("python", "-c", REACH, *address)
    for service in ("redis", "audio-processor", "transcriber"):
        assert set(networks(by_service[service])) == {f"{PROJECT}_inside"}
    assert run("docker", "network", "inspect", "--format", "{{.Internal}}", f"{PROJECT}_inside").strip() == "true"
    assert "HostPort" not in by_service["redis"].inspect("{{json .NetworkSettings.Ports}}")


def test_the_gateways_image_is_small(containers: list[Container]) -> None:
    (gateway,) = [each for each in containers if each.service == "api-gateway"]
    # All that the image has beyond its base; 9 MB of it are for tracing.
    assert int(gateway.execute("du", "--summarize", "--bytes", "/venv").split()[0]) < 130e6


async def test_two_transcribers_of_a_host_share_its_cores(compose: Compose) -> None:
    (alone,) = replicas(health(compose.url), "transcriber")
    assert alone["detail"]["places"]["machine_share"] == 1
    compose.scale(transcriber=2)
    wait_until_ready(compose)
    async with asyncio.timeout(30):
        while True:
            pair = replicas(health(compose.url), "transcriber")
            if [row["detail"]["places"]["machine_share"] for row in pair] == [0.5, 0.5]:
                break
            await asyncio.sleep(0.5)
    assert {row["detail"]["cpus"] for row in pair} == {alone["detail"]["cpus"]}


def test_removal_leaves_nothing(compose: Compose) -> None:
    """The last test here: it takes the suite down."""
    compose.down()
    label = f"label=com.docker.compose.project={PROJECT}"
    for kind in (("ps", "--all"), ("volume", "ls"), ("network", "ls")):
        assert run("docker", *kind, "--quiet", "--filter", label) == "", kind
