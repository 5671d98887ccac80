"""The command that a user is shown when packages of an extra are missing."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from stt_shared.process import extras

pytestmark = pytest.mark.unit

REQUIRES = [
    "pytest>=9.0; extra == 'dev'",
    "jiwer>=4.0; extra == 'bench'",
    'redis[hiredis]<9,>=8.1; extra == "bench"',
    "uvloop>=0.22; (platform_system != 'Windows') and extra == 'bench'",
    "numpy>=2.0; extra == 'bench-more'",
]


def command(monkeypatch: pytest.MonkeyPatch, extra: str, *, installed: tuple[str, ...] = ()) -> list[str]:
    def version(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(extras, "requires", lambda _: REQUIRES)
    monkeypatch.setattr(extras, "version", version)
    python, *rest = shlex.split(extras.install_command(extra))
    assert python == sys.executable
    assert rest[:3] == ["-m", "pip", "install"]
    return rest[3:]


def test_the_command_installs_what_the_extra_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(monkeypatch, "bench") == [
        "jiwer>=4.0",
        "redis[hiredis]<9,>=8.1",
        "uvloop>=0.22; (platform_system != 'Windows')",
    ]


def test_what_is_installed_already_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(monkeypatch, "bench", installed=("redis", "uvloop")) == ["jiwer>=4.0"]


def test_all_are_named_when_none_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(monkeypatch, "dev", installed=("pytest",)) == ["pytest>=9.0"]


def test_a_clone_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_PROJECT", "no-such-project")
    assert extras.install_command("bench").endswith("-m pip install -e '.[bench]'")


def test_an_extra_that_is_newer_than_the_installation_is_installed_from_the_clone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert command(monkeypatch, "mic") == ["-e", ".[mic]"]
