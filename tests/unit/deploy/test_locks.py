"""The locked versions are those that pyproject.toml allows, each with its hashes, and from no particular index."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
IMAGES = ["gateway", "audio", "transcriber", "bridges"]
TRACED = ["gateway", "audio", "transcriber"]
LOCKS = {"run": "all", **{extra: extra for extra in (*IMAGES, "dev")}}


def requirements_of(extra: str) -> Iterator[Requirement]:
    for text in EXTRAS[extra]:
        requirement = Requirement(text)
        if requirement.name != "realtime-stt-suite":
            yield requirement
        for own in requirement.extras if requirement.name == "realtime-stt-suite" else ():
            yield from requirements_of(own)


def entries(lock: str) -> list[str]:
    """The requirements of a lock, each in one line with its hashes."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pins(lock: str) -> dict[str, set[Version]]:
    versions: dict[str, set[Version]] = {}
    for entry in entries(lock):
        requirement = Requirement(entry.partition(" --hash")[0])
        versions.setdefault(requirement.name, set()).add(Version(str(requirement.specifier).removeprefix("==")))
    return versions


@pytest.mark.parametrize("lock", [*LOCKS, "floor"])
def test_everything_has_one_version_and_its_hashes_and_no_index(lock: str) -> None:
    assert entries(lock)
    for entry in entries(lock):
        assert re.fullmatch(r"[a-z0-9-]+==\S+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *", entry), entry[:200]
    assert "://" not in (ROOT / "requirements" / f"{lock}.lock").read_text()


@pytest.mark.parametrize(("lock", "extra"), [*LOCKS.items(), *((image, "otel") for image in TRACED)])
def test_the_locked_versions_are_allowed(lock: str, extra: str) -> None:
    locked = pins(lock)
    for requirement in requirements_of(extra):
        assert requirement.name in locked, f"{requirement}: run make lock"
        assert all(requirement.specifier.contains(version) for version in locked[requirement.name]), requirement


@pytest.mark.parametrize("lock", IMAGES)
def test_an_image_has_the_versions_that_are_tested(lock: str) -> None:
    everything = pins("dev")
    assert all(versions == everything[name] for name, versions in pins(lock).items())


def test_what_is_tested_is_what_runs() -> None:
    tested = pins("dev")
    assert all(versions == tested[name] for name, versions in pins("run").items())


def test_the_lowest_versions_are_the_ones_that_pyproject_names() -> None:
    lowest = pins("floor")
    for requirement in requirements_of("dev"):
        bounds = [Version(part.version) for part in requirement.specifier if part.operator in (">=", "==")]
        assert lowest[requirement.name] == set(bounds), requirement


def test_the_event_loop_of_other_systems_survives_in_the_lock() -> None:
    for lock in ("run", "gateway", "audio", "transcriber"):
        (entry,) = [entry for entry in entries(lock) if entry.startswith("uvloop==")]
        assert "; sys_platform != 'win32'" in entry
