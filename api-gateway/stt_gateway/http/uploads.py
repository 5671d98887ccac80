"""Multipart bodies, written to the spool folder as they arrive: no file is held in memory or in /tmp."""

import asyncio
import contextlib
import hashlib
import uuid
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path

import structlog
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from stt_gateway.core.requests.filenames import disposition_parameters, filename_of
from stt_gateway.spool.room import check_room
from stt_gateway.spool.writing import CHECK_EVERY_BYTES, not_stored, private, too_many_bytes
from stt_shared.contracts.errors import SttError

_log = structlog.get_logger()

MAX_FIELD_BYTES = 65_536
MAX_HEADER_BYTES = 4096
"""Limit of one header of a part; one of them holds the file's name."""
MAX_PARTS = 64
_MAX_OVERHEAD_BYTES = MAX_PARTS * (MAX_FIELD_BYTES + 32 * MAX_HEADER_BYTES)
"""Bytes of a body besides the audio."""
_HINT = "send multipart/form-data with one or more parts named file"


@dataclass
class Upload:
    """One file of a request.

    ``spool_name``: its name in the spool folder; ``filename``: the client's name for it; ``sha256``: hash of its bytes,
    hexadecimal, set once all of them have arrived.
    """

    spool_name: str
    filename: str
    size_bytes: int = 0
    sha256: str = ""


@dataclass
class Received:
    """Files and form fields of a request."""

    files: list[Upload] = field(default_factory=list)
    fields: list[tuple[str, str]] = field(default_factory=list)


async def receive_uploads(
    request: Request, spool: Path, max_bytes: int, max_spool_bytes: int, *, needs_file: bool = True
) -> Received:
    """Read the whole body. ``needs_file``: a form without one is refused.

    ``max_spool_bytes``: limit of all files in the spool folder together. A request that states its length is refused
    before its body is read. Raises SttError bad_message, bad_audio, too_large, at_capacity or unavailable (the spool
    folder is full or not writable); after an error nothing is left in the spool folder.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise SttError("bad_message", f"the body is no multipart form; {_HINT}")
    stated_bytes = stated_length(request)
    if stated_bytes > max_bytes + _MAX_OVERHEAD_BYTES:
        raise too_many_bytes(max_bytes)
    parts = _Parts(spool, max_bytes)
    try:
        await check_room(spool, max_spool_bytes, stated_bytes)
        unchecked_bytes = 0
        # The parser's own limit is set above ours, since its error does not tell the client what to do.
        parser = MultipartParser(boundary, parts.callbacks(), max_header_size=32 * MAX_HEADER_BYTES)  # type: ignore[arg-type]
        async for data in request.stream():
            # Parsing writes to the disk, so each portion is parsed in a thread.
            await asyncio.to_thread(parser.write, data)
            unchecked_bytes += len(data)
            if unchecked_bytes > CHECK_EVERY_BYTES:
                await check_room(spool, max_spool_bytes, 0)
                unchecked_bytes = 0
        await asyncio.to_thread(parser.finalize)
        return parts.finish(needs_file)
    except FormParserError as error:
        parts.remove()
        raise SttError("bad_message", f"the multipart form is broken: {error}") from error
    except OSError as error:
        parts.remove()
        raise not_stored(error) from error
    except ClientDisconnect:
        parts.remove()
        _log.info("upload aborted")
        raise
    except BaseException:
        parts.remove()
        raise


def stated_length(request: Request) -> int:
    """Return the length of the body that the request states, 0 without one."""
    stated = request.headers.get("content-length", "")
    return int(stated) if stated.isdecimal() else 0


def no_file() -> SttError:
    """Return the error for a request without a file."""
    return SttError("bad_message", f"no file was sent; {_HINT}")


class _Parts:
    """Callbacks of the parser; they run in a thread, one at a time."""

    def __init__(self, spool: Path, max_bytes: int) -> None:
        self._spool = spool
        self._max_bytes = max_bytes
        self._received = Received()
        self._headers: dict[bytes, bytes] = {}
        self._header = (b"", b"")
        self._name = ""
        self._field = b""
        self._upload: Upload | None = None
        self._file: BufferedWriter | None = None
        self._sha256 = hashlib.sha256()
        self._bytes = 0
        self._count = 0
        self._ended = False

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._part_begin,
            "on_header_begin": self._header_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def finish(self, needs_file: bool) -> Received:
        if not self._ended:
            raise SttError("bad_message", "the multipart form has no end")
        if needs_file and not self._received.files:
            raise no_file()
        for upload in self._received.files:
            if upload.size_bytes == 0:
                raise SttError("bad_audio", f"the file {upload.filename!r} is empty")
        for upload in self._received.files:
            part = self._part_path(upload)
            # The first of several files may have been written long ago; its age must count from here.
            part.touch()
            part.rename(self._spool / upload.spool_name)
        return self._received

    def remove(self) -> None:
        if self._file is not None:
            # If the folder is full, the buffer cannot be written; the file is removed anyway.
            with contextlib.suppress(OSError):
                self._file.close()
        uploads = self._received.files + ([self._upload] if self._upload else [])
        for upload in uploads:
            self._part_path(upload).unlink(missing_ok=True)
            (self._spool / upload.spool_name).unlink(missing_ok=True)

    def _part_path(self, upload: Upload) -> Path:
        # By this suffix the audio-processor's sweeper finds the files of a gateway that died during an upload.
        return self._spool / f"{upload.spool_name}.part"

    def _part_begin(self) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise SttError("too_large", f"more than {MAX_PARTS} parts in one request")
        self._headers = {}

    def _header_begin(self) -> None:
        self._header = (b"", b"")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])
        if len(self._header[1]) > MAX_HEADER_BYTES:
            raise SttError(
                "bad_message", f"a part's header is longer than {MAX_HEADER_BYTES} bytes; give the file a shorter name"
            )

    def _header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]

    def _headers_finished(self) -> None:
        options = disposition_parameters(self._headers.get(b"content-disposition", b""))
        self._name = options.get("name", b"").decode(errors="replace")
        self._field = b""
        if self._name == "file":
            self._upload = Upload(uuid.uuid4().hex, filename_of(options))
            self._file = open(self._part_path(self._upload), "xb", opener=private)  # noqa: SIM115
            self._sha256 = hashlib.sha256()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None or self._upload is None:
            self._field += data[start:end]
            if len(self._field) > MAX_FIELD_BYTES:
                raise SttError("too_large", f"the field {self._name!r} is longer than {MAX_FIELD_BYTES} bytes")
            return
        self._bytes += end - start
        if self._bytes > self._max_bytes:
            raise too_many_bytes(self._max_bytes)
        self._file.write(data[start:end])
        self._sha256.update(data[start:end])
        self._upload.size_bytes += end - start

    def _part_end(self) -> None:
        if self._file is not None and self._upload is not None:
            self._file.close()
            self._upload.sha256 = self._sha256.hexdigest()
            self._received.files.append(self._upload)
            self._file = self._upload = None
        else:
            self._received.fields.append((self._name, self._field.decode(errors="replace")))

    def _end(self) -> None:
        self._ended = True
