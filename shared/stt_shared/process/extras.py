"""Install commands for the suite's optional packages."""

import contextlib
import re
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

_PROJECT = "realtime-stt-suite"


def install_command(extra: str) -> str:
    """Return the command that installs an extra's missing packages into the running Python.

    It works with and without a clone and does not change the suite itself. If none is missing, all are named.
    """
    try:
        requirements = requires(_PROJECT) or []
    except PackageNotFoundError:
        requirements = []
    packages = [package for requirement in requirements if (package := _package_of(requirement, extra))]
    if not packages:  # not installed, or before the extra was there
        return f"{sys.executable} -m pip install -e '.[{extra}]'"
    missing = [package for package in packages if not _is_installed(package)]
    return shlex.join([sys.executable, "-m", "pip", "install", *(missing or packages)])


@contextlib.contextmanager
def naming_missing_packages(extra: str) -> Iterator[None]:
    """Exit with 1 and one line that says how to install the extra when an import in the context lacks a package."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("stt_"):
            raise
        sys.exit(f"error: {error.name} is not installed; run: {install_command(extra)}")
    except KeyboardInterrupt:
        sys.exit(130)


def _package_of(requirement: str, extra: str) -> str | None:
    """Return a requirement without its extra, but with its other markers; None if it is another extra's."""
    package, _, marker = requirement.replace('"', "'").partition(";")
    others, found, rest = marker.partition(f"extra == '{extra}'")
    if not found or rest.strip():
        return None
    others = others.strip().removesuffix("and").strip()
    return f"{package.strip()}; {others}" if others else package.strip()


def _is_installed(package: str) -> bool:
    name = re.match(r"[\w.-]+", package)
    assert name is not None
    try:
        version(name.group())
    except PackageNotFoundError:
        return False
    return True
