"""A child process that cannot outlive the launcher and whose stderr is read line by line."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

TAIL_LINES = 20
"""Number of last stderr lines kept to explain an unexpected exit."""
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Make this process die with its parent, for ``preexec_fn``. On Linux the kernel kills it however the parent died.

    The process also leaves the terminal's process group, so that Ctrl-C reaches only the launcher, which stops
    everything in order.
    """
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True)
class ChildSpec:
    """Specification of a child process.

    ``env`` is its whole environment, ``pass_fds`` stay open in it, and ``niceness`` lowers its CPU priority.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    pass_fds: tuple[int, ...] = ()
    niceness: int = 0


class Child:
    """A running child process. Start it from the main thread: Linux kills it when the *thread* that started it ends."""

    def __init__(self, spec: ChildSpec, on_line: Callable[[str, str], None]) -> None:
        """Start the process. ``on_line(name, line)`` is called in a separate thread for every line of its stderr."""
        self.spec = spec
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._process = subprocess.Popen(
            list(spec.command),
            env=dict(spec.env),
            pass_fds=spec.pass_fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=self._prepare,
        )
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr, on_line), daemon=True)
        self._reader.start()

    def _prepare(self) -> None:
        """Prepare the child process before it executes the program."""
        die_with_parent()
        os.nice(self.spec.niceness)

    @property
    def pid(self) -> int:
        """Process id, which is also its process group id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code; None while it runs, negative for the signal that ended it."""
        return self._process.poll()

    def tail(self) -> list[str]:
        """Return the last lines of stderr; after the process has ended, wait briefly for those still in the pipe."""
        if self.exit_code is not None:
            self._reader.join(timeout=1)
        return list(self._tail)

    def terminate(self) -> None:
        """Ask the process to exit."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """Kill the process and its descendants; return when it is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(timeout=1)

    def _read(self, stream: IO[bytes], on_line: Callable[[str, str], None]) -> None:
        with stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip()
                if line:
                    self._tail.append(line)
                    on_line(self.spec.name, line)


def describe_exit(exit_code: int) -> str:
    """Return text such as ``exit code 3`` or ``signal SIGKILL``."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"signal {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"signal {-exit_code}"
