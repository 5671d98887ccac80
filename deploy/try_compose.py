"""Builds the images, starts Compose, transcribes a file through it with two transcribers, and removes all of it again.

Runs where a Docker engine answers, and says so where none does. Docker's own COMPOSE_FILE adds override files. A
project name of its own keeps it away from volumes in use.
"""

import contextlib
import io
import json
import math
import os
import struct
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Callable
from typing import Any, TypeVar

PROJECT = "realtime-stt-suite-check"
READY_WITHIN_S = 300.0
JOB_WITHIN_S = 120.0
SERVICES = ("redis", "api-gateway", "audio-processor", "transcriber")

Found = TypeVar("Found")


class CheckError(Exception):
    """What did not work, in one line."""


def compose(*arguments: str, quiet: bool = False) -> str:
    """Runs ``docker compose``; gives its output, or shows it where it failed."""
    own = {"COMPOSE_PROJECT_NAME": PROJECT, "STT_HOST": "127.0.0.1", "PORT": "0"}
    environment = {"WHISPER_MODEL": "tiny.en", **os.environ, **own}
    command = ["docker", "compose", *arguments]
    result = subprocess.run(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode:
        if not quiet:
            print(result.stdout, file=sys.stderr)  # noqa: T201
        raise CheckError(f"`{' '.join(command)}` exited with {result.returncode}")
    return result.stdout


def engine_answers() -> bool:
    """A Docker engine and Compose v2 are there."""
    try:
        for command in (["docker", "info"], ["docker", "compose", "version"]):
            subprocess.run(command, capture_output=True, check=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def ask(url: str, body: bytes | None = None, content_type: str = "") -> Any:
    """The JSON at an address; None while nobody answers there or the answer is an error."""
    request = urllib.request.Request(url, body, {"Content-Type": content_type} if body else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return json.load(response)
    except (OSError, ValueError):
        return None


def until(look: Callable[[], Found | None], timeout_s: float, missing: str) -> Found:
    """The first answer of ``look`` that is not None."""
    deadline = time.monotonic() + timeout_s
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise CheckError(f"{missing} within {timeout_s:.0f} s")
        time.sleep(0.5)
    return found


def healthy(url: str, transcribers: int) -> Any:
    """The health report, once it is good and that many transcribers are in it."""
    report = ask(f"{url}/health")
    if not report or report["status"] != "healthy":
        return None
    replicas = [replica for replica in report["replicas"] if replica["service"] == "transcriber"]
    return report if len(replicas) == transcribers else None


def containers_healthy() -> bool | None:
    """Docker's own health checks are content with every container of the services."""
    text = compose("ps", "--format", "json")
    # Older versions of Compose print one list, newer ones an object a line.
    containers = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    states = [container["Health"] for container in containers if container["Service"] in SERVICES]
    return True if states and set(states) == {"healthy"} else None


def transcribe(url: str, name: str, audio: bytes) -> str:
    """The text of a file, by way of a job."""
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    job = ask(f"{url}/v1/stt/jobs", head + audio + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")
    if job is None:
        raise CheckError("the gateway did not take the file")

    def ended() -> Any:
        view = ask(f"{url}/v1/stt/jobs/{job['job_id']}")
        return view if view and view["status"] in ("completed", "failed") else None

    view = until(ended, JOB_WITHIN_S, "the file was not transcribed")
    if view["status"] != "completed":
        raise CheckError(f"the file failed: {view['error']}")
    return str(view["result"]["text"])


def tone() -> bytes:
    """Two seconds of a sine, as WAV."""
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setparams((1, 2, 16000, 0, "NONE", ""))
        samples = (round(4000 * math.sin(n / 8)) for n in range(32000))
        audio.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()


def check(name: str, audio: bytes) -> None:
    """Raises CheckError at the first thing that does not work."""
    compose("build")
    print("Docker: images built", flush=True)  # noqa: T201
    compose("up", "--detach")
    url = f"http://{compose('port', 'api-gateway', '8000').strip()}"
    until(lambda: healthy(url, 1), READY_WITHIN_S, "/health was not healthy")
    compose("up", "--detach", "--no-recreate", "--scale", "transcriber=2")
    until(lambda: healthy(url, 2), READY_WITHIN_S, "/health did not show two transcribers")
    until(containers_healthy, READY_WITHIN_S, "the containers' health checks did not pass")
    print("Docker: healthy, with two transcribers", flush=True)  # noqa: T201
    print(f"Docker: transcribed {name}: {transcribe(url, name, audio)!r}", flush=True)  # noqa: T201


def main(arguments: list[str]) -> int:
    """``try_compose.py [AUDIO]``: a recording to transcribe in place of a tone."""
    if not engine_answers():
        print("Docker: no engine with Compose v2 answers here, so nothing was built or started")  # noqa: T201
        return 0
    try:
        if arguments:
            with open(arguments[0], "rb") as file:
                name, audio = os.path.basename(arguments[0]), file.read()
        else:
            name, audio = "tone.wav", tone()
        check(name, audio)
    except CheckError as error:
        print(f"Docker: {error}", file=sys.stderr)  # noqa: T201
        with contextlib.suppress(CheckError):
            print(compose("ps", "--all") + compose("logs", "--tail", "20"), file=sys.stderr)  # noqa: T201
        return 1
    finally:
        compose("down", "--volumes", "--rmi", "local", "--remove-orphans", "--timeout", "20", quiet=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
