"""A place where little is as on a developer's machine: another user's number without name or home, a read-only root, a
network without IPv4, a proxy for everything, a disk that is nearly full. Linux, and only for root.

As a program it runs the suite there, and commands on it, and prints what came of them as JSON.
"""

import contextlib
import json
import os
import shutil
import socket
import socketserver
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stt_cli.up.embedded_redis import EmbeddedRedis

UID = 1234567
SPOOL_BYTES = 1 << 20
_TOOLS = ("ip", "mount", "unshare")
_NEEDED = (Path(__file__).parents[2], Path(sys.prefix), Path(pytest.__file__))
"""What everybody must be able to read; Python itself is moved to where they can."""


def is_possible_here() -> bool:
    return (
        sys.platform.startswith("linux")
        and os.geteuid() == 0
        and all(map(shutil.which, _TOOLS))
        and not any(map(_closed, _NEEDED))
        and subprocess.run(["unshare", "--mount", "--net", "true"], check=False, capture_output=True).returncode == 0
    )


def visit(**files: bytes) -> dict[str, Any]:
    """What came of it; ``files`` are there as NAME.wav."""
    # Not pytest's own, which only root may enter.
    with tempfile.TemporaryDirectory(prefix="stt-strange-") as folder:
        os.chmod(folder, 0o755)
        for name in ("tmp", "spool", "python"):
            (Path(folder) / name).mkdir()
        for name, data in files.items():
            (Path(folder) / f"{name}.wav").write_bytes(data)
        done = subprocess.run(
            ["unshare", "--mount", "--net", sys.executable, "-m", "support.strange_place", "enter", folder],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _closed(path: Path) -> Path | None:
    """The outermost folder around ``path`` that others may not enter."""
    return next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & stat.S_IXOTH), None)


def _enter(folder: Path) -> None:
    """Make the place of this process's namespaces, become somebody else, and go on there."""

    def run(*command: str | Path) -> None:
        subprocess.run(command, check=True)

    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "del", "127.0.0.1/8", "dev", "lo")
    run("mount", "--make-rprivate", "/")
    python = Path(sys.base_prefix)
    if (closed := _closed(python)) is not None:
        run("mount", "--bind", python, folder / "python")
        run("mount", "-t", "tmpfs", "-o", "mode=755", "none", closed)
        python.mkdir(parents=True)
        run("mount", "--bind", folder / "python", python)
    run("mount", "-t", "tmpfs", "-o", "size=64m,mode=1777", "none", folder / "tmp")
    run("mount", "-t", "tmpfs", "-o", f"size={SPOOL_BYTES},mode=1777", "none", folder / "spool")
    run("mount", "-o", "remount,bind,ro", "/")
    os.chdir("/")
    os.setgroups([])
    os.setgid(0)
    os.setuid(UID)
    os.execve(sys.executable, [sys.executable, "-m", "support.strange_place", "stay", str(folder)], os.environ)


class _Proxy(socketserver.ThreadingTCPServer):
    """One that notes what it is asked for, and refuses."""

    address_family = socket.AF_INET6
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("::1", 0), _Asked)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://[::1]:{self.server_address[1]}"


class _Asked(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Proxy)
        self.server.asked.append(self.rfile.readline().decode(errors="replace").strip())
        self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@contextlib.contextmanager
def _proxy() -> Iterator[_Proxy]:
    with _Proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()


def _free_port() -> int:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as found:
        return int(found.getsockname()[1])


def _stay(folder: Path) -> None:
    os.environ["TMPDIR"] = str(folder / "tmp")
    redis_port, port = _free_port(), _free_port()
    url = f"http://[::1]:{port}"
    stt = [sys.executable, "-m", "stt_cli"]

    def ran(*arguments: str) -> dict[str, Any]:
        done = subprocess.run([*stt, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)
        return {"status": done.returncode, "out": done.stdout, "err": done.stderr}

    with _proxy() as proxy, EmbeddedRedis(("--port", str(redis_port), "--bind", "::1")):
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
        env = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(folder / "tmp"),
            "DATA_DIR": str(folder / "tmp" / "data"),
            "MODELS_DIR": str(folder / "tmp" / "models"),
            "SPOOL_DIR": str(folder / "spool"),
            "REDIS_URL": f"redis://[::1]:{redis_port}/0",
            "STT_HOST": "::1",
            "PORT": str(port),
            "STT_URL": url,
            "WHISPER_ENGINE": "instant",
            "VAD": "rms",
            **dict.fromkeys(names, proxy.url),
        }
        homeless = {name: value for name, value in env.items() if name != "DATA_DIR"}
        refused = subprocess.run([*stt, "up"], env=homeless, capture_output=True, text=True, timeout=60, check=False)
        suite = subprocess.Popen([*stt, "up"], env=env, stdout=subprocess.PIPE, text=True)
        try:
            assert suite.stdout is not None
            found: dict[str, Any] = {
                "without DATA_DIR": {"status": refused.returncode, "err": refused.stderr},
                "ready": suite.stdout.readline(),
                "health": ran("health", "--url", url),
                "transcribe": ran("transcribe", str(folder / "short.wav"), "--url", url),
                "stream": ran("stream", str(folder / "short.wav"), "--url", url),
                "too large": ran("transcribe", str(folder / "long.wav"), "--url", url),
                "keys": ran("keys", "create", "somebody"),
                "locally asked": list(proxy.asked),
                "pull": ran("models", "pull", "small"),
                "asked": list(proxy.asked),
            }
        finally:
            suite.terminate()
            suite.wait(timeout=40)
        found["status"] = suite.returncode
    print(json.dumps(found))


if __name__ == "__main__":
    {"enter": _enter, "stay": _stay}[sys.argv[1]](Path(sys.argv[2]))
