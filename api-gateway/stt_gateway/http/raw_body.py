"""Bodies that are one file, written to the spool folder as they arrive."""

import hashlib
import uuid
from collections.abc import Callable
from pathlib import Path

import structlog
from fastapi import Request
from starlette.requests import ClientDisconnect

from stt_gateway.http.uploads import Received, Upload, stated_length
from stt_gateway.spool.room import check_room
from stt_gateway.spool.writing import created, not_stored, too_many_bytes, write_chunks
from stt_shared.contracts.errors import SttError

_log = structlog.get_logger()

FILENAME = "recording"
"""Name of a file that has none."""


class RawBody:
    """Reader of one body, which ``Intake`` calls.

    ``header``: what is to stand before a body of so many bytes, always of the same length. ``sha256``: hash of the
    body, hexadecimal, once it has been read.
    """

    def __init__(self, header: Callable[[int], bytes] | None = None) -> None:
        self._header = header
        self.sha256 = ""

    async def __call__(self, request: Request, spool: Path, max_bytes: int, max_spool_bytes: int) -> Received:
        """Read the body. Raises SttError too_large, bad_audio for an empty one, at_capacity or unavailable.

        After an error nothing is left in the spool folder.
        """
        stated_bytes = stated_length(request)
        if stated_bytes > max_bytes:
            raise too_many_bytes(max_bytes)
        upload = Upload(uuid.uuid4().hex, FILENAME)
        # By this suffix the audio-processor's sweeper finds the files of a gateway that died during an upload.
        part = spool / f"{upload.spool_name}.part"
        try:
            await check_room(spool, max_spool_bytes, stated_bytes)
            await self._write(request, upload, part, max_bytes, max_spool_bytes)
            part.rename(spool / upload.spool_name)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise not_stored(error) from error
        except BaseException as error:
            part.unlink(missing_ok=True)
            if isinstance(error, ClientDisconnect):
                _log.info("upload aborted")
            raise
        return Received([upload])

    async def _write(self, request: Request, upload: Upload, part: Path, max_bytes: int, max_spool_bytes: int) -> None:
        sha256 = hashlib.sha256()
        with await created(part) as file:
            if self._header:
                file.write(self._header(0))
            upload.size_bytes = await write_chunks(
                request.stream(), file, part.parent, max_bytes, max_spool_bytes, sha256.update
            )
            if upload.size_bytes == 0:
                raise SttError("bad_audio", "the body is empty; send the audio itself")
            if self._header:
                file.seek(0)
                file.write(self._header(upload.size_bytes))
        self.sha256 = upload.sha256 = sha256.hexdigest()
        if self._header:
            # The same bytes are another recording at another rate.
            upload.sha256 = hashlib.sha256(self._header(0) + sha256.digest()).hexdigest()
