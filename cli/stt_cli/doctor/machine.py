"""Facts about the machine."""

import os
import platform
import resource
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import av

import stt_shared
from stt_audio.codecs.formats import CODECS
from stt_cli.doctor.core import machine as rules
from stt_cli.model_files import models_dir_of
from stt_cli.up.settings import UpSettings
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.findings import Finding, Level
from stt_shared.process.cpus import read_file, usable_cpus
from stt_shared.process.memory import available_bytes, memory_limit_bytes
from stt_transcriber.models.store import ModelError, resolve

_PROMISED = ("aac", "flac", "mp3", "opus", "vorbis", "pcm_s16le")
"""Decoders of what browsers and phones send."""


def findings(up: UpSettings, gateway: GatewaySettings) -> Iterator[Finding]:
    """Yield the findings about programs, processor, memory, disks, open files and clock."""
    programs = f"Python {platform.python_version()}, suite {version('realtime-stt-suite')}"
    yield Finding("programs", Level.OK, f"{programs}, in {sys.prefix}")
    yield ffmpeg_finding()
    flags = cpu_flags(read_file(Path("/proc/cpuinfo")) or "")
    yield rules.cpu_finding(flags, platform.machine(), usable_cpus(), os.cpu_count() or 1)
    yield rules.memory_finding(available_bytes(), memory_limit_bytes(), _model_bytes(up))
    if up.database_url is None:
        yield from _disk("DATA_DIR", up.data_dir)
    yield from _disk("SPOOL_DIR", gateway.spool_dir, gateway.max_spool_bytes)
    yield from _disk("MODELS_DIR", models_dir_of(up.models_dir))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # An upload takes a second file, and a callback or a fetch a third.
    wanted = 3 * gateway.max_http_connections + gateway.gateway_max_sessions + gateway.gateway_max_viewers
    yield rules.open_files_finding(sys.maxsize if hard == resource.RLIM_INFINITY else hard, wanted)
    installed = datetime.fromtimestamp(Path(stt_shared.__file__).stat().st_mtime, UTC)
    yield rules.clock_finding(datetime.now(UTC), installed)


def ffmpeg_finding() -> Finding:
    """Return which FFmpeg decodes, and whether it can what the audio-processor lets it."""
    told = f"FFmpeg {av.ffmpeg_version_info} in PyAV {av.__version__}"
    missing = [name for name in _PROMISED if name in CODECS and name not in av.codecs_available]
    if missing:
        remedy = "install PyAV's own package from a package index, which has all of them"
        return Finding("ffmpeg", Level.ERROR, f"{told} cannot decode {', '.join(missing)}", remedy)
    return Finding("ffmpeg", Level.OK, told)


def cpu_flags(cpuinfo: str) -> set[str]:
    """Return the flags of the first processor in the text of /proc/cpuinfo."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def _disk(setting: str, folder: Path, wanted: int = 0) -> Iterator[Finding]:
    folder = folder.expanduser().absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    why_not = None if there.is_dir() else f"{there} is not a folder"
    if why_not is None and not os.access(there, os.W_OK | os.X_OK):
        why_not = f"no permission to write in {there}"
    if found := rules.folder_finding(setting, str(folder), why_not):
        yield found
    else:
        yield rules.disk_finding(setting, str(folder), shutil.disk_usage(there).free, wanted)


def _model_bytes(up: UpSettings) -> int:
    try:
        folder = resolve(up.whisper_model, models_dir_of(up.models_dir))
    except ModelError:
        return 0  # the finding about the model says so
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
