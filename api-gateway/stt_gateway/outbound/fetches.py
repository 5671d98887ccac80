"""Fetcher of files: takes jobs whose file is at a client's URL, brings it to the spool folder, and lets them begin."""

import asyncio
import contextlib
import random
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import msgspec
import structlog
from prometheus_client import Counter

from stt_gateway.core.outbound.attempts import delay_s
from stt_gateway.core.outbound.client_urls import UrlRefused
from stt_gateway.core.requests.remote_file import FetchFailed
from stt_gateway.outbound.busy import BusyTasks
from stt_gateway.outbound.download import Download
from stt_gateway.outbound.guard import Resolve, guarded_client, resolved
from stt_gateway.settings import GatewaySettings
from stt_gateway.spool.writing import not_stored
from stt_shared.contracts.errors import SttError
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.outage import REDIS_ERRORS, UNREACHABLE, until_answered
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.fetches import LEASE_MS, Fetch

_log = structlog.get_logger()

FETCHES = Counter("stt_fetches_total", "Attempts to fetch files from clients' URLs, by outcome.", ["outcome"])

AT_ONCE = 16
AT_ONCE_PER_NAME = 4
"""Files that one gateway fetches at a time from one host, and for one client: the others wait for neither."""
ATTEMPTS = 4
DELAYS_S = (2.0, 10.0, 30.0)
LOOK_EVERY_S = 0.5
TELL_EVERY_S = 1.0
AGAIN_MS = 1000
"""Pause of a fetch whose host or client is busy."""
NO_ROOM_MS = 10_000
"""Pause of a fetch for which the spool folder has no room."""
RETRY_S = 0.5
SILENCE_S = 30.0
MAX_REDIRECTS = 5

Count = Callable[[Fetch, int], Awaitable[None]]
"""Counts a file of so many bytes as an upload. Raises SttError quota_exceeded, and Redis errors."""


class _Lost(Exception):
    """The job has ended, or another gateway fetches its file."""


def check_url(settings: GatewaySettings, url: str, *, has_file: bool) -> None:
    """Check where a client says its file is. Raises SttError bad_config."""
    if has_file:
        raise SttError("bad_config", "send files or a url, not both", param="url")
    if not settings.fetch_timeout_s:
        raise SttError("bad_config", "url is not possible here: FETCH_TIMEOUT_S is 0; send the file", param="url")
    try:
        settings.outbound_rules.check(url)
    except UrlRefused as error:
        raise SttError("bad_config", f"url is not allowed; it must be {error}", param="url") from None


class FileFetcher:
    """Fetcher of one gateway. ``lease_ms``: see ``FetchQueue``."""

    def __init__(
        self,
        bus: Bus,
        settings: GatewaySettings,
        count: Count,
        *,
        resolve: Resolve = resolved,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self._jobs = bus.jobs
        self._queue = bus.fetches
        self._settings = settings
        self._count = count
        self._lease_ms = lease_ms
        self._client = guarded_client(settings.outbound_rules, httpx2.Timeout(SILENCE_S), resolve)
        self._client.max_redirects = MAX_REDIRECTS
        self._fetching = BusyTasks(AT_ONCE, AT_ONCE_PER_NAME)

    async def run(self) -> None:
        """Fetch until cancelled."""
        try:
            while True:
                try:
                    for fetch in await self._queue.claim(self._fetching.room, lease_ms=self._lease_ms):
                        await self._begin(fetch)
                except REDIS_ERRORS as error:
                    _log.warning("redis failed, retrying", cause=str(error))
                    await asyncio.sleep(RETRY_S)
                await asyncio.sleep(LOOK_EVERY_S)
                await self._fetching.wait_for_room()
        finally:
            await self._fetching.close()
            await self._client.aclose()

    async def _begin(self, fetch: Fetch) -> None:
        names = (f"host {urllib.parse.urlsplit(fetch.order.url).hostname}", f"client {fetch.client}")
        if self._fetching.may_begin(*names):
            self._fetching.begin(self._fetch(fetch), *names)
        else:
            await self._queue.postpone(fetch, AGAIN_MS)

    async def _fetch(self, fetch: Fetch) -> None:
        log = _log.bind(job_id=fetch.job_id, attempts=fetch.attempts)
        try:
            if fetch.attempts > ATTEMPTS:
                # Those who tried it last have died of it, or with it.
                await self._give_up(fetch, FetchFailed("the file was tried as often as it may be"))
                return
            try:
                await self._attempt(fetch)
            except FetchFailed as failure:
                await self._failed(fetch, failure)
            except OSError as error:
                await self._failed(fetch, FetchFailed(not_stored(error).message, may_pass=True, code="unavailable"))
            except SttError as error:
                # The spool folder is full: that is not the file's fault.
                log.info("fetch postponed", cause=error.message)
                await self._queue.postpone(fetch, NO_ROOM_MS)
        except _Lost:
            log.info("fetch abandoned: its job has ended or another gateway has it")
        except REDIS_ERRORS as error:
            # It is due again when the lease is over.
            log.warning("fetch not recorded: redis failed", cause=str(error))
        except Exception:
            # It is due again when the lease is over, and its attempts are counted.
            log.exception("fetch failed")

    async def _attempt(self, fetch: Fetch) -> None:
        # Each attempt has a file of its own: whoever was frozen meanwhile writes into nobody else's. What is left of a
        # gateway that died is swept by the audio-processor.
        path = self._settings.spool_dir / f"{fetch.job_id}.{fetch.attempts}"
        part = path.with_name(f"{path.name}.part")
        is_released = False
        try:
            download = Download(self._client, self._settings, fetch.order.url, part)
            await self._watch(fetch, download)
            is_released = await self._release(fetch, download, part, path)
        finally:
            if not is_released:
                part.unlink(missing_ok=True)
                path.unlink(missing_ok=True)
        FETCHES.labels("fetched").inc()
        _log.info("file fetched", job_id=fetch.job_id, size_bytes=download.received_bytes)
        with contextlib.suppress(*UNREACHABLE):
            await self._jobs.admit()

    async def _watch(self, fetch: Fetch, download: Download) -> None:
        task = asyncio.create_task(download.run(), name="download")
        try:
            while not (await asyncio.wait({task}, timeout=TELL_EVERY_S))[0]:
                # A download outlives a Redis that is away for less than the lease.
                with contextlib.suppress(*UNREACHABLE):
                    await self._renew(fetch, download)
                download.check_pace(time.monotonic())
            task.result()
        finally:
            await cancel_and_wait(task)

    async def _renew(self, fetch: Fetch, download: Download) -> None:
        received, total = download.received_bytes, download.total_bytes
        if not await self._queue.renew(fetch, received, total, lease_ms=self._lease_ms):
            raise _Lost

    async def _release(self, fetch: Fetch, download: Download, part: Path, path: Path) -> bool:
        await until_answered(lambda: self._renew(fetch, download))
        try:
            await self._count(fetch, download.received_bytes)
        except SttError as error:
            raise FetchFailed(error.message, code=error.code) from None
        await asyncio.to_thread(part.rename, path)
        config = msgspec.structs.replace(
            fetch.config,
            spool_name=path.name,
            filename=download.filename or fetch.config.filename,
            size_bytes=download.received_bytes,
        )
        if await until_answered(lambda: self._queue.release(fetch, config)):
            return True
        # It may be that only the answer to the first of two calls was lost.
        state = await until_answered(lambda: self._jobs.state(fetch.job_id))
        if state is None or state.config.spool_name != path.name:
            raise _Lost
        return True

    async def _failed(self, fetch: Fetch, failure: FetchFailed) -> None:
        pause_s = delay_s(fetch.attempts, ATTEMPTS, random.random, DELAYS_S) if failure.may_pass else None
        if pause_s is None:
            await self._give_up(fetch, failure)
            return
        FETCHES.labels("retried").inc()
        _log.info("fetch failed, retrying", job_id=fetch.job_id, attempts=fetch.attempts, cause=str(failure))
        if not await self._queue.retry(fetch, round(pause_s * 1000)):
            raise _Lost

    async def _give_up(self, fetch: Fetch, failure: FetchFailed) -> None:
        # Only while it is ours: a job that has another fetcher may still succeed.
        if not await self._queue.renew(fetch, 0, 0, lease_ms=self._lease_ms):
            raise _Lost
        FETCHES.labels("failed").inc()
        _log.info("fetch given up", job_id=fetch.job_id, attempts=fetch.attempts, cause=str(failure))
        await self._jobs.fail(keys.job_keys(fetch.job_id), fetch.epoch, failure.code, str(failure))
