"""Heartbeats: each process reports from a separate thread that it is alive, and its status.

A busy event loop or a long decode thus never looks like a dead process, and a stalled event loop is reported as such.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable

import msgspec
import redis
import structlog

from stt_shared.redis.client import connect_sync
from stt_shared.redis.outage import REDIS_ERRORS, redis_state
from stt_shared.streams import keys
from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work.health_file import HealthFile

_log = structlog.get_logger()

BEAT_S = 0.2
ALIVE_MS = 700
"""Time without a heartbeat after which other replicas consider a replica dead."""
METRICS_EVERY_S = 2.0
METRICS_TTL_MS = 10_000


def new_replica_id(service: str) -> str:
    """Return a replica id that is unique per process start and readable in logs."""
    return f"{service}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


class Heartbeat:
    """Writer of this process's heartbeat key, status and metrics, until stopped.

    ``describe`` and ``metrics`` are called in the heartbeat's thread, which also writes ``health_file``. ``trouble``:
    why the last heartbeat failed, as returned by ``redis_state``; '' when it succeeded.
    """

    def __init__(
        self,
        redis_url: str,
        replica_id: str,
        describe: Callable[[], ReplicaStatus],
        metrics: Callable[[], bytes],
        health_file: HealthFile | None = None,
    ) -> None:
        self._url = redis_url
        self._id = replica_id
        self._describe = describe
        self._metrics = metrics
        self._health_file = health_file or HealthFile(None)
        self._is_health_written = True
        self.trouble = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread; the first heartbeat follows at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and delete the heartbeat key, so that others need not wait for it to expire."""
        self._stop.set()
        self._thread.join(timeout=3)

    def _run(self) -> None:
        client: redis.Redis | None = None
        metrics_due = 0.0
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                client = client or connect_sync(self._url)
                pipe = client.pipeline(transaction=False)
                # A full Redis refuses SET but not PEXPIRE, so replicas stay alive when there is no memory.
                pipe.pexpire(keys.replica_alive(self._id), ALIVE_MS)
                pipe.set(keys.replica_alive(self._id), 1, px=ALIVE_MS)
                pipe.hset(keys.REPLICAS, self._id, msgspec.json.encode(self._describe()))
                if began >= metrics_due:
                    metrics_due = began + METRICS_EVERY_S
                    pipe.set(keys.replica_metrics(self._id), self._metrics(), px=METRICS_TTL_MS)
                pipe.execute()
                self._turned("")
            except Exception as error:
                # This thread must survive any error: without it the process would look dead while it continues to work.
                self._turned(redis_state(error) if isinstance(error, REDIS_ERRORS) else "unavailable", error)
                # After a failover the same address leads to another server, so the next heartbeat connects again.
                if client is not None:
                    client.close()
                client = None
            self._write_health()
            self._stop.wait(max(0.05, BEAT_S - (time.monotonic() - began)))
        if client is None:
            return
        try:
            pipe = client.pipeline(transaction=False)
            pipe.delete(keys.replica_alive(self._id))
            pipe.delete(keys.replica_metrics(self._id))
            pipe.hdel(keys.REPLICAS, self._id)
            pipe.execute()
        except REDIS_ERRORS:
            _log.warning("heartbeat not removed: redis unavailable")
        finally:
            client.close()

    def _write_health(self) -> None:
        try:
            status = self._describe()
            self._health_file.write(status.state, status.reason, self.trouble)
        except Exception as error:
            # As in _run. A check takes the process for dead until the file can be written again.
            if self._is_health_written:
                _log.exception("health file not written", cause=str(error))
            self._is_health_written = False
        else:
            self._is_health_written = True

    def _turned(self, trouble: str, error: Exception | None = None) -> None:
        """Log changes only, because there are five heartbeats a second."""
        if trouble != self.trouble:
            self.trouble = trouble
            if error is None:
                _log.info("heartbeat resumed")
            elif isinstance(error, REDIS_ERRORS):
                _log.warning("heartbeat failing", cause=str(error))
            else:
                _log.error("heartbeat failing", exc_info=error)
