"""How a user gets packages that the suite can do without."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires

_PROJECT = "realtime-stt-suite"


def install_command(extra: str) -> str:
    """The command that adds an extra's packages to the running Python; it works with and without a clone, and leaves
    the suite itself as it is."""
    try:
        requirements = requires(_PROJECT) or []
    except PackageNotFoundError:
        return f"{sys.executable} -m pip install -e '.[{extra}]'"
    packages = [
        requirement.partition(";")[0].strip()
        for requirement in requirements
        if requirement.partition(";")[2].replace('"', "'").strip() == f"extra == '{extra}'"
    ]
    return shlex.join([sys.executable, "-m", "pip", "install", *packages])
