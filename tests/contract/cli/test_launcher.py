"""`stt up` from the first line to the last process, with stand-ins for the three services (they need no weights)."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.certificates import make_authority, make_certificate

pytestmark = pytest.mark.contract

GATEWAY = """
import http.server, json, os, socket, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"status": "healthy", "services": {}, "pid": os.getpid(), "env": dict(os.environ)}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
server.socket.close()
server.socket = socket.socket(fileno=int(os.environ["LISTEN_FD"]))
print(json.dumps({"event": "listening", "level": "info"}), file=sys.stderr, flush=True)
server.serve_forever()
"""
IDLE = "import time\nwhile True: time.sleep(1)\n"


class Suite:
    """A running `stt up`."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self.process = process
        self.tmp = folder / "tmp"
        self.ready = ""
        self.url = ""
        self.children: list[psutil.Process] = []
        self.by_module: dict[str, psutil.Process] = {}

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline().rstrip()
        assert self.ready.startswith("Ready: "), self.end()
        self.url = self.ready.split()[1]
        self.children = psutil.Process(self.process.pid).children()
        self.by_module = {child.cmdline()[-1]: child for child in self.children}

    def health(self) -> dict[str, object]:
        with urllib.request.urlopen(f"{self.url}/health", timeout=5) as response:
            said: dict[str, object] = json.load(response)
            return said

    def end(self) -> str:
        """Waits for the end; returns stderr."""
        _, err = self.process.communicate(timeout=30)
        return err

    def assert_nothing_is_left(self) -> None:
        assert [child for child in self.children if child.is_running() and child.status() != "zombie"] == []
        assert list(self.tmp.iterdir()) == []


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Suite]]:
    started: list[Suite] = []

    def start(*arguments: str, gateway: str = GATEWAY, audio: str = IDLE, transcriber: str = IDLE, **env: str) -> Suite:
        for package, code in {"stt_gateway": gateway, "stt_audio": audio}.items():
            (tmp_path / "stubs" / package).mkdir(parents=True, exist_ok=True)
            (tmp_path / "stubs" / package / "__main__.py").write_text(code)
            (tmp_path / "stubs" / package / "__init__.py").write_text("")
        # The launcher itself imports the model store from the real package, so only __main__ is replaced.
        (tmp_path / "stubs" / "sitecustomize.py").write_text(
            "import os, sys\n"
            "if os.environ.get('LISTEN_FD') is None and sys.orig_argv[-2:] == ['-m', 'stt_transcriber']:\n"
            f"    exec({transcriber!r})\n"
            "    os._exit(0)\n"
        )
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / "model.bin").write_bytes(b"not read here")
        (tmp_path / "tmp").mkdir(exist_ok=True)
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-c", "from stt_cli.main import app; app()", "up", "--port", "0", *arguments],
            env={
                **clean,
                "PYTHONPATH": str(tmp_path / "stubs"),
                "WHISPER_MODEL": str(tmp_path / "model"),
                "TMPDIR": str(tmp_path / "tmp"),
                "XDG_DATA_HOME": str(tmp_path / "user"),
                **env,
            },
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(Suite(process, tmp_path))
        return started[-1]

    yield start
    for suite in started:
        with contextlib.suppress(subprocess.TimeoutExpired):
            suite.process.terminate()
            suite.process.wait(timeout=20)
        suite.process.kill()
        for stream in (suite.process.stdout, suite.process.stderr):
            if stream is not None:
                stream.close()


def test_transcripts_are_kept_in_the_users_data_folder(start: Callable[..., Suite], tmp_path: Path) -> None:
    suite = start(HOME=str(tmp_path))
    suite.wait_until_ready()
    folder = tmp_path / "user" / "stt-suite"
    assert suite.process.stdout is not None
    line = suite.process.stdout.readline()
    assert line.startswith(f"Transcripts: {folder}  Logs: {suite.tmp}/")
    assert Path(line.split()[-1]).is_dir()
    assert suite.health()["env"]["DATA_DIR"] == str(folder)  # type: ignore[index]
    assert folder.is_dir()
    suite.process.terminate()
    assert "note:" not in suite.end()


def test_transcripts_in_the_working_folder_are_mentioned(start: Callable[..., Suite], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "transcripts.db").write_bytes(b"")
    suite = start()
    suite.wait_until_ready()
    suite.process.terminate()
    assert f"note: transcripts of an earlier version are in {tmp_path}/data and are not shown" in suite.end()


def test_a_data_folder_that_is_named_is_used(start: Callable[..., Suite], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "transcripts.db").write_bytes(b"")
    suite = start(DATA_DIR="./data")
    suite.wait_until_ready()
    assert suite.health()["env"]["DATA_DIR"] == str(tmp_path / "data")  # type: ignore[index]
    suite.process.terminate()
    assert "note:" not in suite.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_from_ready_to_nothing(start: Callable[..., Suite], number: signal.Signals) -> None:
    suite = start()
    suite.wait_until_ready()
    assert suite.ready == (f"Ready: {suite.url}  (health: {suite.url}/health, docs: {suite.url}/docs; Ctrl-C stops)")
    # Three services and the server.
    assert len(suite.children) == 4
    suite.process.send_signal(number)
    assert suite.end() == "stopping…\n"
    assert suite.process.returncode == 0
    suite.assert_nothing_is_left()


def test_services_are_told_where_everything_is(start: Callable[..., Suite], tmp_path: Path) -> None:
    suite = start("--gateway-replicas", "2", SPOOL_DIR=str(tmp_path / "uploads"))
    suite.wait_until_ready()
    env = suite.health()["env"]
    assert isinstance(env, dict)
    assert env["REDIS_URL"].startswith("unix://")
    assert env["SPOOL_DIR"] == str(tmp_path / "uploads")
    assert env["WHISPER_MODEL"] == str(tmp_path / "model")
    assert suite.url.endswith(f":{env['PORT']}")
    assert len(suite.children) == 5
    suite.process.terminate()
    suite.end()
    suite.assert_nothing_is_left()
    # The user's own folder is not the launcher's to remove.
    assert (tmp_path / "uploads").is_dir()


TLS_GATEWAY = GATEWAY.replace("import http", "import ssl, http").replace(
    "server.serve_forever()",
    """context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.environ["TLS_CERT"], os.environ["TLS_KEY"])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()""",
)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
def test_with_a_certificate_it_is_reached_by_https(start: Callable[..., Suite], tmp_path: Path) -> None:
    make_authority(tmp_path)
    make_certificate(tmp_path, "live", "stt.example")
    suite = start("--tls-cert", "live.pem", gateway=TLS_GATEWAY, TLS_KEY="live.key")
    suite.wait_until_ready()
    assert suite.url.startswith("https://127.0.0.1:")
    trusting = [sys.executable, "-m", "stt_cli", "health", "--ca", str(tmp_path / "ca.pem"), "--url", suite.url]
    asked = subprocess.run(trusting, capture_output=True, text=True, timeout=60, check=False)
    # It asks by another name than the certificate's.
    assert (asked.returncode, "name its authority" in asked.stderr) == (1, True)
    refused = start("--tls-cert", "live.pem", TLS_KEY="ca.key")
    assert "error: TLS_KEY: the key is not that of the certificate in TLS_CERT" in refused.end()


def test_a_killed_service_comes_back(start: Callable[..., Suite]) -> None:
    suite = start()
    suite.wait_until_ready()
    suite.by_module["stt_gateway"].kill()
    deadline = time.monotonic() + 10
    while True:
        try:
            assert suite.health()["pid"] not in [child.pid for child in suite.children]
            break
        except OSError:
            assert time.monotonic() < deadline
    assert suite.by_module["stt_audio"].is_running()
    suite.process.terminate()
    assert "gateway 1 ended (signal SIGKILL); starting it again in 0.2 s\n" in suite.end()
    suite.assert_nothing_is_left()


def test_what_a_killed_launcher_left_is_removed_at_the_next_start(start: Callable[..., Suite], tmp_path: Path) -> None:
    suite = start()
    suite.wait_until_ready()
    assert suite.health()["env"]["TMPDIR"].startswith(str(suite.tmp))  # type: ignore[index]
    (spool,) = suite.tmp.glob("stt-*/spool")
    (spool / "upload").write_bytes(b"private audio")
    suite.process.kill()
    suite.end()
    left = {path for path in suite.tmp.iterdir() if path.name.startswith("stt-")}
    assert len(left) == 2  # the launcher's and the server's
    again = start()
    again.wait_until_ready()
    assert not any(path.exists() for path in left)
    again.process.terminate()
    again.end()
    again.assert_nothing_is_left()


def test_a_service_that_cannot_start_ends_everything_with_its_reason(start: Callable[..., Suite]) -> None:
    suite = start(
        gateway=IDLE,
        transcriber="import sys; print('error: the model is broken', file=sys.stderr); sys.exit(1)",
    )
    err = suite.end()
    assert suite.process.returncode == 1
    assert "[transcriber 1] error: the model is broken\n" in err
    assert err.splitlines()[-1] == "error: transcriber 1 ended while starting (exit code 1)"
    suite.assert_nothing_is_left()


def test_stopping_while_it_starts_leaves_nothing(start: Callable[..., Suite]) -> None:
    suite = start(gateway=IDLE)
    deadline = time.monotonic() + 15
    while len(psutil.Process(suite.process.pid).children()) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    suite.children = psutil.Process(suite.process.pid).children()
    suite.process.send_signal(signal.SIGINT)
    suite.end()
    assert suite.process.returncode == 0
    suite.assert_nothing_is_left()


def test_logs_are_kept_where_asked_and_the_console_stays_quiet(start: Callable[..., Suite], tmp_path: Path) -> None:
    suite = start("--log-dir", str(tmp_path / "logs"))
    suite.wait_until_ready()
    suite.process.terminate()
    assert "listening" not in suite.end()
    assert "listening" in (tmp_path / "logs" / "gateway-1.log").read_text()
