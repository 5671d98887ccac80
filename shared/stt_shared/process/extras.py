"""Install commands for the suite's optional packages."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires

_PROJECT = "realtime-stt-suite"


def install_command(extra: str) -> str:
    """Return the command that installs an extra's packages into the running Python.

    It works with and without a clone and does not change the suite itself.
    """
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
