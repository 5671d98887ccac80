"""`stt up`: runs the whole suite on one machine, from startup until `/health` is healthy to a clean shutdown.

Order matters: everything that can be wrong with the user's request is checked before the first process starts.
"""

import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from types import FrameType

import redis
from rich.console import Console

from stt_cli.errors import CliError
from stt_cli.http.readiness import Health, ask_health
from stt_cli.model_files import models_dir_of, prepare_model
from stt_cli.up.child import ChildSpec, describe_exit
from stt_cli.up.embedded_redis import EmbeddedRedis, EmbeddedRedisError
from stt_cli.up.listen import open_listener, url_of
from stt_cli.up.log_sink import LogSink, for_console
from stt_cli.up.settings import UpSettings
from stt_cli.up.supervisor import Ended, Supervisor
from stt_shared.process.folders import note_of_former_store
from stt_shared.redis.client import check_usable
from stt_shared.redis.outage import redis_state

GRACE_S = 15.0
"""Time that services have to finish their work; longer than their own drain time."""
READY_WITHIN_S = 180.0
"""Time after which a model that is still loading is considered stuck."""
MODEL_NICENESS = 5
"""Niceness of the transcribers, whose model uses all available CPU time.

The services between the model and clients need little CPU time, but promptly: without this they would wait for the
model at every step.
"""
_POLL_S = 0.1
_SAME_KEYPRESS_S = 1.0


def up(settings: UpSettings, *, log_dir: Path | None = None, verbose: bool = False) -> None:
    """Run the suite until SIGINT, SIGTERM or SIGHUP. Raises CliError if it cannot start."""
    console = Console(stderr=True, highlight=False)
    with contextlib.ExitStack() as stack:
        with interruptible_by_sigterm():
            listener = stack.enter_context(open_listener(settings.host, settings.port))
            models_dir = models_dir_of(settings.models_dir)
            prepare_model(settings.whisper_model, settings.whisper_engine, models_dir, console)
        stop = stack.enter_context(stop_requests())
        scratch = Path(tempfile.mkdtemp(prefix="stt-"))
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        spool_dir = _folder(settings.spool_dir or scratch / "spool", "SPOOL_DIR")
        logs_dir = _folder(log_dir or scratch / "logs", "--log-dir")
        sink = LogSink(logs_dir, verbose=verbose or settings.log_level == "DEBUG")
        data_dir = settings.data_dir.expanduser().absolute()
        if settings.database_url is None:
            _folder(data_dir, "DATA_DIR")
            if "data_dir" not in settings.model_fields_set and (note := note_of_former_store()):
                print(f"note: {note}", file=sys.stderr, flush=True)
        server, redis_url = _redis(settings.redis_url, stack)
        env = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "HOST": settings.host,
            "PORT": str(listener.getsockname()[1]),
            "DATA_DIR": str(data_dir),
            "LOG_LEVEL": settings.log_level,
            "MODELS_DIR": str(models_dir),
            "REDIS_URL": redis_url,
            "SPOOL_DIR": str(spool_dir),
            "WHISPER_ENGINE": settings.whisper_engine,
            "WHISPER_MODEL": settings.whisper_model,
        }
        suite = Supervisor(service_groups(settings, env, listener), sink.take)
        try:
            suite.start()
            url = url_of(listener)
            if not _wait_until_healthy(url, suite, console, stop):
                return
            print(f"Ready: {url}  (health: {url}/health, docs: {url}/docs; Ctrl-C stops)", flush=True)
            kept_in = data_dir if settings.database_url is None else "the database of DATABASE_URL"
            print(f"Transcripts: {kept_in}  Logs: {logs_dir}", flush=True)
            _watch(suite, server, stop)
        finally:
            if stop.wait(0):
                print("stopping…", file=sys.stderr, flush=True)
            for name in suite.stop(GRACE_S, hurry=stop.is_urgent):
                print(f"{name} did not stop within {GRACE_S:g} s and was killed", file=sys.stderr, flush=True)


def service_groups(settings: UpSettings, env: dict[str, str], listener: socket.socket) -> list[list[ChildSpec]]:
    """Return the children in the order in which they stop: first the one that serves clients, last the transcribers."""
    python = sys.executable

    def group(
        name: str, module: str, replicas: int, *, gets_listener: bool = False, niceness: int = 0
    ) -> list[ChildSpec]:
        fds = (listener.fileno(),) if gets_listener else ()
        child_env = {**env, "LISTEN_FD": str(fds[0])} if fds else env
        command = (python, "-m", module)
        return [ChildSpec(f"{name} {i + 1}", command, child_env, fds, niceness) for i in range(replicas)]

    return [
        group("gateway", "stt_gateway", settings.gateway_replicas, gets_listener=True),
        group("audio-processor", "stt_audio", settings.audio_processor_replicas),
        group("transcriber", "stt_transcriber", settings.transcriber_replicas, niceness=MODEL_NICENESS),
    ]


class StopRequests:
    """Signal handler for stop requests: the first stops gracefully, a later one immediately."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._first_s: float | None = None
        self._urgent = False
        self._event = Event()

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if self._first_s is None:
            self._first_s = self._now()
        elif self._now() - self._first_s > _SAME_KEYPRESS_S:
            # `make` may forward the signal that the terminal has already sent here; that is not a second request.
            self._urgent = True
        self._event.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait up to ``timeout_s``; return True as soon as a stop is requested."""
        return self._event.wait(timeout_s)

    def is_urgent(self) -> bool:
        """Return True after a second request: stop without waiting."""
        return self._urgent


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Collect SIGINT, SIGTERM and SIGHUP instead of dying from them, so that nothing started here is left running."""
    requests = StopRequests()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, requests) for number in numbers}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def interruptible_by_sigterm() -> Iterator[None]:
    """Let SIGTERM interrupt blocking work as Ctrl-C does; use it only while no child process is running."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _folder(path: Path, setting: str) -> Path:
    path = path.expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CliError(f"{setting}={path}: {error.strerror or error}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise CliError(f"{setting}={path}: no permission to write there")
    return path


def _redis(url: str | None, stack: contextlib.ExitStack) -> tuple[EmbeddedRedis | None, str]:
    """Return the server that REDIS_URL names, or an embedded one that stops with ``stack``."""
    if url is None:
        server = EmbeddedRedis()
        try:
            server.start()
        except EmbeddedRedisError as error:
            raise CliError(f"{error} (or name a server with REDIS_URL)") from None
        stack.callback(server.stop)
        return server, server.url
    try:
        check_usable(url)
    except ValueError as error:
        raise CliError(f"REDIS_URL: {error}", exit_code=2) from None
    except redis.RedisError as error:
        told = str(error).rstrip(".")
        cannot = "cannot reach" if redis_state(error) == "unreachable" else "cannot use"
        raise CliError(f"{cannot} Redis at {without_password(url)}: {told}; check REDIS_URL") from None
    return None, url


def without_password(url: str) -> str:
    """Return the URL for use in a message: the part before ``@`` is secret, and the query may contain a secret."""
    scheme, separator, rest = url.partition("?")[0].partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _wait_until_healthy(url: str, suite: Supervisor, console: Console, stop: StopRequests) -> bool:
    """Wait until the suite is healthy; False if the user stopped it first. Raises CliError if a child ends or the
    suite takes too long."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    health = Health()
    with console.status("starting…") as line:
        while not stop.wait(_POLL_S):
            for ended in suite.poll():
                raise CliError(_why_not_started(ended))
            health = ask_health(url)
            if health.is_healthy or health.only_redis_nearly_full:
                return True
            line.update(f"starting… waiting for {health.unready() or 'health'}")
            if time.monotonic() > deadline_s:
                missing = health.unready() or health.status
                raise CliError(f"not healthy within {READY_WITHIN_S:g} s: still waiting for {missing}")
    return False


def _why_not_started(ended: Ended) -> str:
    """Return the reason in one line, followed by the child's last lines unless they are already on the console."""
    headline = f"{ended.name} ended while starting ({describe_exit(ended.exit_code)})"
    already_shown = any(for_console(ended.name, line) is not None for line in ended.tail)
    return headline if already_shown else "\n".join([headline, *(f"  {line}" for line in ended.tail)])


def _watch(suite: Supervisor, server: EmbeddedRedis | None, stop: StopRequests) -> None:
    while not stop.wait(_POLL_S):
        if server is not None and server.has_ended:
            print("the embedded Redis ended; starting it again, empty", file=sys.stderr, flush=True)
            try:
                server.start()
            except EmbeddedRedisError as error:
                raise CliError(str(error)) from None
        for ended in suite.poll():
            print(ended, file=sys.stderr, flush=True)
