"""The download of one file: from a client's URL to a file in the spool folder, bounded in size, time and slowness."""

import asyncio
from pathlib import Path

import httpx2

from stt_gateway.core.requests.remote_file import FetchFailed, answered_filename, check_answer, too_large
from stt_gateway.outbound.guard import NotReachable
from stt_gateway.settings import GatewaySettings
from stt_gateway.spool.room import check_room
from stt_gateway.spool.writing import created, write_chunks
from stt_shared.contracts.errors import SttError

LEAST_BYTES_PER_S = 1024
"""Least rate of a file, as of an upload."""
PACE_OVER_S = 30.0


class Download:
    """Download of ``url`` to ``part``. ``received_bytes`` of ``total_bytes`` (0: unknown) have come; ``filename``: ''
    until its server has named it."""

    def __init__(self, client: httpx2.AsyncClient, settings: GatewaySettings, url: str, part: Path) -> None:
        self._client = client
        self._settings = settings
        self._url = url
        self._part = part
        self._pace_bytes = 0
        self._pace_since_s: float | None = None
        self.received_bytes = 0
        self.total_bytes = 0
        self.filename = ""

    async def run(self) -> None:
        """Write the whole file; after an error a part of it is left.

        Raises FetchFailed, SttError at_capacity when the spool folder has no room, and OSError.
        """
        limit_s = self._settings.fetch_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                await self._run()
        except BaseException as error:
            match error:
                case NotReachable():
                    raise FetchFailed(f"the url leads where it may not: {error}") from None
                case TimeoutError():
                    raise FetchFailed(f"the file at the url did not come within {limit_s:g} s") from None
                case httpx2.TooManyRedirects():
                    raise FetchFailed("the url leads to one redirect after another") from None
                case httpx2.TimeoutException():
                    raise FetchFailed("the server of the url does not answer", may_pass=True) from None
                case httpx2.HTTPError() | httpx2.InvalidURL():
                    # Only the kind: messages of errors may repeat the URL.
                    kind = type(error).__name__
                    raise FetchFailed(
                        f"the connection to the server of the url failed ({kind})", may_pass=True
                    ) from None
            raise

    async def _run(self) -> None:
        settings, spool = self._settings, self._part.parent
        await check_room(spool, settings.max_spool_bytes, 0)
        async with self._client.stream("GET", self._url, follow_redirects=True) as response:
            self.total_bytes = check_answer(response.status_code, response.headers, settings.max_upload_bytes)
            self.filename = answered_filename(response.headers, "")
            await check_room(spool, settings.max_spool_bytes, self.total_bytes)
            with await created(self._part) as file:
                try:
                    await write_chunks(
                        response.aiter_bytes(),
                        file,
                        spool,
                        settings.max_upload_bytes,
                        settings.max_spool_bytes,
                        self._count,
                    )
                except SttError as error:
                    if error.code == "too_large":
                        raise too_large(settings.max_upload_bytes) from None
                    # What did not fit once may not fit the next time either.
                    raise FetchFailed(error.message, may_pass=True, code=error.code) from None
        if not self.received_bytes:
            raise FetchFailed("the file at the url is empty")

    def _count(self, data: bytes) -> None:
        self.received_bytes += len(data)

    def check_pace(self, now_s: float) -> None:
        """Raise FetchFailed for a file that comes too slowly; call it every second or so."""
        if self._pace_since_s is None:
            self._pace_since_s = now_s
        elif now_s - self._pace_since_s >= PACE_OVER_S:
            if self.received_bytes - self._pace_bytes < LEAST_BYTES_PER_S * PACE_OVER_S:
                raise FetchFailed(f"the file at the url comes with less than {LEAST_BYTES_PER_S} bytes in a second")
            self._pace_bytes, self._pace_since_s = self.received_bytes, now_s
