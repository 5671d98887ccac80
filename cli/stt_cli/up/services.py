"""The services as child processes: their commands, environments and priorities."""

import os
import socket
import sys
from pathlib import Path

from stt_cli.up.child import ChildSpec
from stt_cli.up.settings import UpSettings

MODEL_NICENESS = 5
"""Niceness of the transcribers, whose model uses all available CPU time.

The services between the model and clients need little CPU time, but promptly: without this they would wait for the
model at every step.
"""


def service_env(
    settings: UpSettings,
    *,
    port: int,
    redis_url: str,
    models_dir: Path,
    spool_dir: Path,
    data_dir: Path,
    temp_dir: Path,
) -> dict[str, str]:
    """Return the environment of every service: this process's own, and what the launcher decided."""
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "STT_HOST": settings.address,
        "AUTH": settings.auth or "off",
        "PORT": str(port),
        "DATA_DIR": str(data_dir),
        "LOG_LEVEL": settings.log_level,
        "MODELS_DIR": str(models_dir),
        "REDIS_URL": redis_url,
        "SPOOL_DIR": str(spool_dir),
        # What a killed service leaves there is removed with the launcher's folder.
        "TMPDIR": str(temp_dir),
        **_tls(settings),
        "WHISPER_ENGINE": settings.whisper_engine,
        "WHISPER_MODEL": settings.whisper_model,
    }


def _tls(settings: UpSettings) -> dict[str, str]:
    files = {"TLS_CERT": settings.tls_cert, "TLS_KEY": settings.tls_key}
    return {name: str(path.expanduser().absolute()) for name, path in files.items() if path is not None}


def service_groups(settings: UpSettings, env: dict[str, str], listener: socket.socket) -> list[list[ChildSpec]]:
    """Return the children in the order in which they stop: first the one that serves clients, last the transcribers."""
    python = sys.executable

    def group(
        name: str, module: str, replicas: int, *, gets_listener: bool = False, niceness: int = 0
    ) -> list[ChildSpec]:
        fds = (listener.fileno(),) if gets_listener else ()
        child_env = {**env, "LISTEN_FD": str(fds[0])} if fds else env
        command = (python, "-m", module)
        return [ChildSpec(f"{name} {i + 1}", command, child_env, fds, niceness) for i in range(replicas)]

    return [
        group("gateway", "stt_gateway", settings.gateway_replicas, gets_listener=True),
        group("audio-processor", "stt_audio", settings.audio_processor_replicas),
        group("transcriber", "stt_transcriber", settings.transcriber_replicas, niceness=MODEL_NICENESS),
    ]
