"""The launcher: runs the whole suite on one machine, from startup until `/health` is healthy to a clean shutdown.

Order matters: everything that can be wrong with the user's request is checked before the first process starts.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

from rich.console import Console

from stt_cli.errors import CliError
from stt_cli.http.readiness import Health, ask_health
from stt_cli.http.tls import launchers_tls
from stt_cli.model_files import models_dir_of, prepare_model, prepare_turn_model
from stt_cli.up.child import describe_exit
from stt_cli.up.embedded_redis import EmbeddedRedis, EmbeddedRedisError
from stt_cli.up.listen import open_listener, url_of
from stt_cli.up.log_sink import LogSink, for_console
from stt_cli.up.private_folder import PrivateFolder, remove_abandoned
from stt_cli.up.redis_server import open_server
from stt_cli.up.services import service_env, service_groups
from stt_cli.up.settings import UpSettings
from stt_cli.up.stop_requests import StopRequests, interruptible_by_sigterm, stop_requests
from stt_cli.up.supervisor import Ended, Supervisor
from stt_shared.process.core_dumps import forbid_core_dumps
from stt_shared.process.folders import UnusableFolder, note_of_former_store, prepare_folder
from stt_shared.process.listening import note_of_ignored_host

GRACE_S = 15.0
"""Time that services have to finish their work; longer than their own drain time."""
READY_WITHIN_S = 180.0
"""Time after which a model that is still loading is considered stuck."""
_POLL_S = 0.1


def run_suite(settings: UpSettings, *, log_dir: Path | None = None, verbose: bool = False) -> None:
    """Run the suite until SIGINT, SIGTERM or SIGHUP. Raises CliError if it cannot start."""
    console = Console(stderr=True, highlight=False)
    if note := note_of_ignored_host(settings.stt_host, settings.host):
        print(f"note: {note}", file=sys.stderr, flush=True)
    if settings.unguarded:
        raise CliError(settings.unguarded, exit_code=2)
    with contextlib.ExitStack() as stack:
        with interruptible_by_sigterm():
            listener = stack.enter_context(open_listener(settings.address, settings.port))
            models_dir = models_dir_of(settings.models_dir)
            prepare_model(settings.whisper_model, settings.whisper_engine, models_dir, console)
            prepare_turn_model(settings.whisper_engine, models_dir, console)
        stop = stack.enter_context(stop_requests())
        os.umask(0o077)  # uploads, transcripts and logs are for this user only
        forbid_core_dumps()
        remove_abandoned()
        scratch = PrivateFolder()
        stack.callback(scratch.remove)
        spool_dir = _folder(settings.spool_dir or scratch.path / "spool", "SPOOL_DIR")
        logs_dir = _folder(log_dir or scratch.path / "logs", "--log-dir")
        data_dir = _data_dir(settings)
        server, redis_url = open_server(settings.redis_url, stack)
        env = service_env(
            settings,
            port=listener.getsockname()[1],
            redis_url=redis_url,
            models_dir=models_dir,
            spool_dir=spool_dir,
            data_dir=data_dir,
            temp_dir=_folder(scratch.path / "tmp", "TMPDIR"),
        )
        sink = LogSink(logs_dir, verbose=verbose or settings.log_level == "DEBUG")
        suite = Supervisor(service_groups(settings, env, listener), sink.write)
        try:
            suite.start()
            url = url_of(listener, tls=settings.tls_cert is not None)
            if not _wait_until_healthy(url, suite, console, stop):
                return
            print(f"Ready: {url}  (health: {url}/health, docs: {url}/docs; Ctrl-C stops)", flush=True)
            transcripts = data_dir if settings.database_url is None else "the database of DATABASE_URL"
            print(f"Transcripts: {transcripts}  Logs: {logs_dir}", flush=True)
            _watch(suite, server, stop)
        finally:
            if stop.wait(0):
                print("stopping…", file=sys.stderr, flush=True)
            for name in suite.stop(GRACE_S, hurry=stop.is_urgent):
                print(f"{name} did not stop within {GRACE_S:g} s and was killed", file=sys.stderr, flush=True)


def _data_dir(settings: UpSettings) -> Path:
    """Return the folder of the transcript store, created unless a database replaces it."""
    data_dir = settings.data_dir.expanduser().absolute()
    if settings.database_url is None:
        _folder(data_dir, "DATA_DIR")
        if "data_dir" not in settings.model_fields_set and (note := note_of_former_store()):
            print(f"note: {note}", file=sys.stderr, flush=True)
    return data_dir


def _folder(path: Path, setting: str) -> Path:
    try:
        return prepare_folder(path, setting)
    except UnusableFolder as error:
        raise CliError(str(error)) from None


def _wait_until_healthy(url: str, suite: Supervisor, console: Console, stop: StopRequests) -> bool:
    """Wait until the suite is healthy; False if the user stopped it first. Raises CliError if a child ends or the
    suite takes too long."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    tls = launchers_tls() if url.startswith("https") else None
    health = Health()
    with console.status("starting…") as line:
        while not stop.wait(_POLL_S):
            for ended in suite.poll():
                raise CliError(_why_not_started(ended))
            health = ask_health(url, tls=tls)
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
