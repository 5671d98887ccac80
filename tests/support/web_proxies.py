"""nginx and Caddy, as the handbook configures them, in front of a server."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.ports import free_port

ROOT = Path(__file__).parents[2]
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port} ssl; server_name localhost;
        ssl_certificate {cert}; ssl_certificate_key {key};
        {location}
    }}
}}
"""


def nginx_location(port: int) -> str:
    """The `location` of docs/operations.md, for a gateway at this port."""
    found = re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1].replace("127.0.0.1:8000", f"127.0.0.1:{port}")


@contextlib.contextmanager
def nginx(folder: Path, gateway_port: int, cert: Path, key: Path) -> Iterator[str]:
    """nginx with TLS below `/stt/`; yields its URL without a slash at the end. Skips where there is none."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    port, settings = free_port(), folder / "nginx.conf"
    settings.write_text(
        NGINX.format(folder=folder, port=port, cert=cert, key=key, location=nginx_location(gateway_port))
    )
    with _running([program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(settings)], port):
        yield f"https://localhost:{port}/stt"


@contextlib.contextmanager
def caddy(folder: Path, gateway_port: int, cert: Path, key: Path) -> Iterator[str]:
    """Caddy with the Caddyfile of Compose, but with this certificate; yields its URL. Skips where there is none."""
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("caddy is not installed")
    port, settings = free_port(), folder / "Caddyfile"
    body = (ROOT / "deploy" / "Caddyfile").read_text().replace("reverse_proxy", f"tls {cert} {key}\n\treverse_proxy", 1)
    settings.write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + body)
    env = {
        **os.environ,
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "STT_DOMAIN": f"https://localhost:{port}",
        "STT_GATEWAY": f"127.0.0.1:{gateway_port}",
    }
    with _running([program, "run", "--config", str(settings), "--adapter", "caddyfile"], port, env):
        yield f"https://localhost:{port}"


@contextlib.contextmanager
def _running(command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[None]:
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(400):
            if process.poll() is not None:
                assert process.stderr is not None
                raise AssertionError(process.stderr.read()[-2000:])
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=10)
