"""Installs locked packages and this suite into the running Python, with one line of progress instead of pip's.

``python tools/quiet_install.py requirements/run.lock``; what pip printed is shown only if it fails.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off")
_LOCKED = re.compile(r"^[\w.-]+(\[[\w,-]+\])?==", re.MULTILINE)
_FOUND = re.compile(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)")


def install(command: Sequence[str], n_packages: int, show: Callable[[str], None]) -> None:
    """Run pip and show how far it is; exit with all that it printed if it fails.

    ``n_packages``: in the lock, which may hold some for other platforms.
    """
    printed, found = [], 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            printed.append(line)
            if match := _FOUND.match(line):
                found += 1
                show(f"{found} of {n_packages} packages: {match[1]}")
            elif line.startswith("Installing collected packages"):
                show("unpacking")
    show("")
    if pip.returncode:
        sys.exit("".join(printed) + "error: the packages could not be installed")


def show_line(text: str) -> None:
    """Show a line that the next one replaces; nothing without a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:78]}", end="", file=sys.stderr, flush=True)


def main(lock: str) -> None:
    """Install what a lock names, then the suite, so that the code that runs is the clone's."""
    n_packages = len(_LOCKED.findall(Path(lock).read_text()))
    install([*PIP, "--require-hashes", "-r", lock], n_packages, show_line)
    install([*PIP, "--no-deps", "-e", "."], n_packages, lambda _: None)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)
