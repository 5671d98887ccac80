"""Mistakes at the command line and in the environment: one line that names them, an exit code, never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings
from typer.testing import CliRunner

from stt_audio.settings import AudioSettings
from stt_cli.errors import CliError
from stt_cli.http.readiness import ask_health
from stt_cli.main import app
from stt_cli.up.settings import UpSettings, load_up_settings
from stt_gateway.settings import GatewaySettings
from stt_shared.process.settings import CommonSettings, load_settings
from stt_transcriber.settings import TranscriberSettings

pytestmark = pytest.mark.unit

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("STT_URL", "REDIS_URL", "DATABASE_URL", "HOST", "STT_HOST", "PORT", "AUTH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["transcribe", "nothing.wav", "--url", NOBODY], 1, "nothing.wav: cannot be read: No such file"),
        (["transcribe", "."], 2, "is a folder"),
        (["transcribe", "a.wav", "--url", "ftp://here"], 2, "'ftp://here'"),
        (["transcribe", "a.wav", "--url", "http://[::1"], 2, "http://HOST:PORT"),
        (["transcribe", "a.wav", "--url", "http://here:port"], 2, "http://HOST:PORT"),
        (["transcribe", "a.wav", "--output", "/dev/null/out"], 1, "--output /dev/null/out"),
        (["health", "--url", "http://a b"], 2, "'http://a b'"),
        (["health", "--url", NOBODY], 1, f"no answer from {NOBODY}"),
        (["stream", "nothing.wav"], 1, "nothing.wav cannot be read: No such file"),
        (["stream", "."], 1, ". cannot be read: Is a directory"),
        (["bench"], 2, "--manifest is missing"),
        (["bench", "--manifest", "nothing.jsonl"], 2, "nothing.jsonl: there is no such file"),
        (["models", "pull", "nosuch"], 2, "unknown model 'nosuch'"),
        (["models", "pull", "tiny.en", "--models-dir", "/dev/null/models"], 1, "/dev/null/models"),
        (["up", "--redis-url", "rubbish"], 2, "REDIS_URL"),
        (["up", "--transcriber-replicas", "0"], 2, "TRANSCRIBER_REPLICAS=0"),
        (["up", "--whisper-engine", "nosuch"], 2, "WHISPER_ENGINE='nosuch'"),
        (["up", "--redis-url", "redis://127.0.0.1:9/abc"], 2, "the number of a database"),
        (["up", "--redis-url", "redis://127.0.0.1:9?nosuch=1"], 2, "no option nosuch"),
        (["up", "--host", "0.0.0.0"], 2, "AUTH is not set"),
        (["up", "--host", "nosuch.invalid"], 1, "STT_HOST or --host"),
        (["up", "--host", "here..there"], 1, "it is no host name; STT_HOST or --host"),
        (["up", "--host", "198.51.100.9"], 1, "no address of this machine; STT_HOST or --host"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_is_one_line(
    arguments: list[str], code: int, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if code == 1:
        monkeypatch.setenv("AUTH", "off")  # without which it gets no further
    if arguments[:2] == ["up", "--redis-url"]:
        arguments = [*arguments, "--whisper-engine", "instant", "--port", "0", "--data-dir", "data"]
    result = CliRunner().invoke(app, arguments)
    lines = [line for line in result.output.splitlines() if line.strip()]
    assert (result.exit_code, len(lines)) == (code, 1), result.output
    assert lines[0].startswith("error: ")
    assert named in lines[0]


def rubbish() -> list[tuple[type[BaseSettings], str]]:
    """Each setting that is a number or a choice."""
    kinds = (GatewaySettings, AudioSettings, TranscriberSettings)
    return [
        (kind, (field.alias or name).upper())
        for kind in kinds
        for name, field in kind.model_fields.items()
        if field.annotation is not None and not any(text in str(field.annotation) for text in ("str", "Str", "Path"))
    ]


@pytest.mark.parametrize(("kind", "variable"), rubbish(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_setting_that_holds_rubbish_is_named(
    kind: type[BaseSettings], variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "rubbish")
    with pytest.raises(SystemExit) as ended:
        load_settings(kind)
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert line.startswith(f"error: {variable}='rubbish': ")


def test_an_env_file_that_is_no_text_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".env").write_bytes(b"PORT=\xe9\n")
    with pytest.raises(SystemExit) as ended:
        load_settings(CommonSettings)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: .env in the working folder cannot be read: it is not UTF-8\n"
    with pytest.raises(CliError, match=r"\.env in the working folder"):
        load_up_settings({})


def test_a_database_that_cannot_be_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://here")
    with pytest.raises(CliError, match="DATABASE_URL begins with mysql:") as ended:
        load_up_settings({})
    assert ended.value.exit_code == 2


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("stt_gateway", "uvicorn"),
        ("stt_audio", "av"),
        ("stt_transcriber", "numpy"),
        ("stt_transcriber.models", "filelock"),
        ("stt_cli", "typer"),
    ],
)
def test_a_missing_package_is_one_line_with_the_command_that_installs_it(module: str, package: str) -> None:
    run = f"import runpy, sys; sys.modules[{package!r}] = None; runpy.run_module({module!r}, run_name='__main__')"
    result = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {package} is not installed; run: ")


def test_health_is_never_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    import http.server
    import threading

    class Healthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status":"healthy"}')

        def log_message(self, *_: object) -> None:
            pass

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, NOBODY)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with http.server.HTTPServer(("127.0.0.1", 0), Healthy) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert ask_health(f"http://127.0.0.1:{server.server_port}").is_healthy


@pytest.mark.parametrize(
    ("env", "address"),
    [
        ({}, "127.0.0.1"),
        ({"HOST": "0.0.0.0"}, "0.0.0.0"),
        ({"HOST": "x86_64-conda-linux-gnu"}, "127.0.0.1"),
        ({"HOST": "workstation", "STT_HOST": "::1"}, "::1"),
        ({"HOST": "0.0.0.0", "STT_HOST": "suite.example.org"}, "suite.example.org"),
    ],
    ids=str,
)
def test_the_machines_name_in_host_is_no_address(
    env: dict[str, str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert (GatewaySettings().address, UpSettings().address) == (address, address)
