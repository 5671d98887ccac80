"""Each extra brings all that its command needs: installed alone into a fresh environment, the command runs."""

import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from install.conftest import Environment

pytestmark = [pytest.mark.install, pytest.mark.timeout(600)]

Make = Callable[[str], Environment]

CLIENT = """
import asyncio, json, websockets, stt_client

async def serve(socket):
    ready = {"type": "ready", "resume_token": "t" * 32, "session_id": "s", "config": {}}
    await socket.send(json.dumps(ready))
    async for message in socket:
        if message == '{"type":"stop"}':
            await socket.send(json.dumps({"type": "final", "event": 1, "utterance": 1, "text": "one", "start_ms": 0}))
            await socket.send(json.dumps({"type": "done", "event": 2}))

async def main():
    async with websockets.serve(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with stt_client.connect(f"ws://127.0.0.1:{port}") as session:
            await session.send(bytes(3200))
            await session.stop()
            print([event["text"] async for event in session])

asyncio.run(main())
"""

EVERY_MODULE = """
import importlib, pkgutil, sys
for package, skipped in zip(sys.argv[1::2], sys.argv[2::2]):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not any(module.name.startswith(name) for name in skipped.split(",")):
            importlib.import_module(module.name)
"""


@pytest.mark.xdist_group("client")
def test_the_client_needs_websockets_alone(environment: Make) -> None:
    made = environment("client")
    assert made.packages() == {"realtime-stt-suite", "websockets"}
    result = made.run("python", "-c", CLIENT)
    assert (result.returncode, result.stdout, result.stderr) == (0, "['one', 'one']\n", "")


@pytest.mark.xdist_group("cli")
def test_the_command_line_needs_no_service(environment: Make) -> None:
    made = environment("cli")
    assert not {"redis", "fastapi", "uvicorn", "numpy", "ctranslate2", "onnxruntime"} & made.packages()
    assert "transcribe" in made.run("stt", "--help").stdout
    assert "verify" in made.run("stt", "models", "--help").stdout
    listed = made.run("stt", "models", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "no model is installed" in listed.stdout
    with wave.open(str(made.folder / "a.wav"), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(16_000)
        audio.writeframes(bytes(32_000))
    for command in (("health",), ("transcribe", "a.wav"), ("stream", "a.wav")):
        result = made.run("stt", *command, "--url", "http://127.0.0.1:1")
        assert result.returncode == 1, command
        assert "no answer from http://127.0.0.1:1 (" in result.stderr, command
        assert len(result.stderr.splitlines()) == 1, command


def test_a_bridge_needs_no_codec_and_no_service(environment: Make) -> None:
    made = environment("bridges")
    assert not {"redis", "fastapi", "av", "httpx2", "huggingface-hub", "numpy"} & made.packages()
    assert made.run("python", "-c", "import stt_cli.commands.bridges").stderr == ""
    result = made.run("stt", "wyoming", "--host", "nosuch.invalid")
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith("error: cannot listen on nosuch.invalid: ")


@pytest.mark.xdist_group("client")
def test_the_client_alone_says_what_installs_the_command_line(environment: Make) -> None:
    made = environment("client")
    result = made.run("stt", "--help")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: typer is not installed; run: {made.python} -m pip install ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.xdist_group("cli")
def test_commands_that_need_more_say_what_installs_it(environment: Make) -> None:
    made = environment("cli")
    (made.folder / "speech.jsonl").write_text("")
    for command, package in ((("up",), "redis"), (("bench", "--manifest", "speech.jsonl"), "jiwer")):
        result = made.run("stt", *command)
        assert (result.returncode, result.stdout) == (1, ""), command
        assert result.stderr.startswith("error: "), command
        assert f"{package} is not installed" in result.stderr
        assert f"{made.python} -m pip install" in result.stderr
        assert len(result.stderr.splitlines()) == 1, command


@pytest.mark.parametrize(
    ("extra", "service", "skipped"),
    [
        # Alembic imports these itself, inside a migration.
        pytest.param(
            "gateway",
            "stt_gateway",
            "stt_gateway.store.migrations.env",
            marks=pytest.mark.xdist_group("gateway"),
        ),
        ("audio", "stt_audio", "-"),
        ("transcriber", "stt_transcriber", "stt_transcriber.engines.openai"),
    ],
)
def test_a_service_starts(environment: Make, extra: str, service: str, skipped: str) -> None:
    made = environment(extra)
    result = made.run("python", "-c", EVERY_MODULE, service, skipped, "stt_shared", "stt_shared.process.otel")
    assert (result.returncode, result.stderr) == (0, "")
    result = made.run("python", "-m", service, REDIS_URL="nowhere", DATA_DIR=str(made.folder))
    assert result.returncode == 1
    assert result.stderr.startswith("error: REDIS_URL must begin with redis://")


@pytest.mark.xdist_group("gateway")
def test_the_gateway_brings_no_codec_and_no_model(environment: Make) -> None:
    assert not {"numpy", "av", "ctranslate2", "onnxruntime", "huggingface-hub"} & environment("gateway").packages()


def test_the_benchmark_asks_the_suite(environment: Make) -> None:
    made = environment("bench")
    Path(made.folder / "speech.jsonl").write_text("")
    result = made.run("stt", "bench", "--manifest", "speech.jsonl", "--url", "http://127.0.0.1:1")
    assert result.returncode == 1
    assert result.stderr.startswith("error: no answer from http://127.0.0.1:1")


def test_the_embedded_server_starts(environment: Make) -> None:
    made = environment("embedded")
    code = "from stt_cli.up.embedded_redis import EmbeddedRedis\nwith EmbeddedRedis() as server: print(server.url)"
    result = made.run("python", "-c", code)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("unix://")
