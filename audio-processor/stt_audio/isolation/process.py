"""A decoder's process, as the replica holds it: whatever audio does to its decoder costs that audio alone.

The processes are forked from a server that has imported the decoders and has no threads of its own, so that one costs
milliseconds; where the system cannot fork, each is started from nothing.
"""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing import connection, forkserver
from typing import Any

import structlog

from stt_shared.contracts.errors import SttError

_log = structlog.get_logger()

_FORKS = "forkserver" in multiprocessing.get_all_start_methods()
CONTEXT = multiprocessing.get_context("forkserver") if _FORKS else multiprocessing.get_context("spawn")
if _FORKS:
    CONTEXT.set_forkserver_preload(["stt_audio.files.decoder_child", "stt_audio.live.decoder_child"])
_EXIT_WITHIN_S = 5.0
# Which processes exist is recorded in one list, and whoever looks at it first gets an exit code.
_registry = threading.Lock()

_FAULTS = frozenset(
    getattr(signal, name, None) for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGSYS", "SIGTRAP")
)


class DecoderLost(Exception):
    """The process ended for a reason outside the audio: it was killed, or could not be started."""


def prepare() -> None:
    """Start the server from which decoders are forked, so that the first of them need not wait for it."""
    if _FORKS:
        forkserver.ensure_running()


class IsolatedProcess:
    """Process of one decoder of ``what`` ("file", "stream"). ``kill`` may be called in any thread, also before
    ``start`` has returned; the other methods wait, and but for ``close`` are called one after the other."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._killed = False
        self._changing = threading.Lock()
        self._process: multiprocessing.process.BaseProcess | None = None

    @property
    def pid(self) -> int | None:
        """Id of the process; None unless it has been started."""
        return None if self._process is None else self._process.pid

    def start(self, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        """Start the process. Raises DecoderLost."""
        process = CONTEXT.Process(target=target, args=arguments, daemon=True)
        try:
            with _registry:
                process.start()
        except (OSError, EOFError) as error:
            raise DecoderLost(f"not started: {error}") from error
        with self._changing:
            self._process = process
            if self._killed:
                process.kill()

    def kill(self) -> None:
        """End the process at once, whatever it is doing, also one that is just being started."""
        with self._changing:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """End the process and free what belongs to it; two threads may do so at once."""
        self.kill()
        with self._changing:
            process, self._process = self._process, None
        if process is not None and _exit_code(process) is not None:
            process.close()

    def death(self) -> SttError | DecoderLost:
        """Return the error that explains why the process has ended without a last message."""
        assert self._process is not None
        code = _exit_code(self._process)
        died_of = -code if code is not None else 0
        if not self._killed:
            _log.warning("decoder died", exit_code=code)
        if died_of == getattr(signal, "SIGXCPU", None):
            return SttError(
                "too_large", f"decoding the {self._what} takes far more time than a {self._what} of its length may take"
            )
        if died_of in _FAULTS:
            return SttError("bad_audio", f"the {self._what} crashes its decoder ({signal.Signals(died_of).name})")
        return DecoderLost(f"exit code {code}")


def _exit_code(process: multiprocessing.process.BaseProcess) -> int | None:
    """Wait for the end of a process and return its exit code, negative for a signal."""
    connection.wait([process.sentinel], _EXIT_WITHIN_S)
    with _registry:
        return process.exitcode
