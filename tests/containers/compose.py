"""A Compose project of the tests: commands of `docker` and `docker compose`, and what they tell of its containers."""

import json
import os
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROJECT = os.environ.get("COMPOSE_PROJECT_NAME", "realtime-stt-suite-test")
SERVICES = ("api-gateway", "audio-processor", "transcriber")
REPLICAS_OF = {"api-gateway": "gateway", "audio-processor": "audio-processor", "transcriber": "transcriber"}
"""Name of a service's replicas in /health."""
COMMAND_TIMEOUT_S = 600.0
_HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class DockerError(Exception):
    """A command failed: its output."""


def run(*command: str, timeout_s: float = COMMAND_TIMEOUT_S, **environment: str) -> str:
    """The output of a command. Raises DockerError, and subprocess.TimeoutExpired."""
    result = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if result.returncode:
        raise DockerError(f"`{' '.join(command)}` exited with {result.returncode}: {result.stderr}{result.stdout}")
    return result.stdout


def why_no_engine() -> str:
    """Why nothing can be started here; '' where a Docker engine and Compose v2 answer."""
    try:
        run("docker", "info", timeout_s=30)
        run("docker", "compose", "version", timeout_s=30)
    except FileNotFoundError:
        return "docker is not installed"
    except (DockerError, subprocess.TimeoutExpired) as error:
        return f"no Docker engine with Compose v2 answers: {str(error).strip().splitlines()[-1]}"
    return ""


@dataclass(frozen=True)
class Container:
    """``host``: its host name, which is part of the ids of its replicas."""

    name: str
    service: str
    state: str
    health: str
    host: str

    def execute(self, *command: str) -> str:
        """The output of a command inside. Raises DockerError."""
        return run("docker", "exec", self.name, *command)

    def inspect(self, template: str) -> str:
        """What `docker inspect` tells of it, by a template of Go."""
        return run("docker", "inspect", "--format", template, self.name).strip()


class Compose:
    """``overrides``: files of this folder over docker-compose.yml and what COMPOSE_FILE names; ``settings``: variables
    of docker-compose.yml."""

    def __init__(self, *overrides: str, **settings: str) -> None:
        base = os.environ.get("COMPOSE_FILE", "docker-compose.yml")
        own = [f"tests/containers/{name}" for name in ("test-images.yml", *overrides)]
        self._environment = {
            "WHISPER_MODEL": "tiny.en",
            **settings,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "COMPOSE_FILE": os.pathsep.join((base, *own)),
            "STT_HOST": "127.0.0.1",
            "PORT": "0",
        }

    def __call__(self, *arguments: str, **settings: str) -> str:
        """The output of `docker compose`. Raises DockerError."""
        return run("docker", "compose", *arguments, **self._environment, **settings)

    def up(self, **settings: str) -> None:
        """Creates or recreates what is not as the files say, each service as often as it already is there."""
        scales = {service: len(self.containers(service)) for service in SERVICES}
        options = [option for name, count in scales.items() if count for option in ("--scale", f"{name}={count}")]
        self("up", "--detach", *options, **settings)

    def scale(self, **counts: int) -> None:
        """Services by their names with `_` for `-`; those not named stay as they are."""
        wanted = {service: len(self.containers(service)) or 1 for service in SERVICES}
        wanted |= {name.replace("_", "-"): count for name, count in counts.items()}
        options = [option for name, count in wanted.items() for option in ("--scale", f"{name}={count}")]
        self("up", "--detach", "--no-recreate", *options)

    def down(self) -> None:
        """Removes containers, networks and volumes."""
        self("down", "--volumes", "--remove-orphans", "--timeout", "20")

    def containers(self, service: str = "") -> list[Container]:
        """Those that exist, running or not."""
        text = self("ps", "--all", "--format", "json", *([service] if service else []))
        # Older versions of Compose print one list, newer ones an object a line.
        rows = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
        return [
            Container(row["Name"], row["Service"], row["State"], row["Health"], row["ID"][:12])
            for row in sorted(rows, key=lambda row: str(row["Name"]))
            if row["Service"] != "model-fetch"
        ]

    @property
    def url(self) -> str:
        """Address of the first gateway. Raises DockerError unless one runs."""
        return f"http://127.0.0.1:{published_port(self.containers('api-gateway')[0])}"

    def story(self) -> str:
        """For whoever looks for a cause: containers, and the last lines of their logs."""
        return self("ps", "--all") + self("logs", "--tail", "30")


def published_port(gateway: Container) -> int:
    """Its port on this machine. Raises DockerError while it does not run."""
    return int(run("docker", "port", gateway.name, "8000/tcp").splitlines()[0].rsplit(":", 1)[1])


def health(url: str) -> dict[str, Any]:
    """What /health of a gateway says; empty while it does not answer."""
    try:
        with _HTTP.open(f"{url}/health", timeout=5) as response:
            report: dict[str, Any] = json.load(response)
    except (OSError, ValueError):
        return {}
    return report


def replicas(report: dict[str, Any], service: str) -> list[dict[str, Any]]:
    """Those of a service that are ready, in what /health says."""
    rows = report.get("replicas", [])
    return [row for row in rows if row["service"] == REPLICAS_OF[service] and row["state"] == "ready"]


def is_ready(report: dict[str, Any], containers: Sequence[Container]) -> bool:
    """All is well, and each of these containers that is of a service of the suite has a replica that is ready."""
    counts = Counter(each.service for each in containers if each.service in SERVICES)
    return report.get("status") == "healthy" and all(
        len(replicas(report, service)) == count for service, count in counts.items()
    )


def remove_images() -> None:
    """Removes the images that tests have built; the build cache stays."""
    names = run("docker", "image", "ls", "--quiet", "--filter", f"reference={PROJECT}-*").split()
    if names:
        run("docker", "image", "rm", "--force", *names)
