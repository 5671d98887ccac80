"""Multipart bodies in pieces of every size, with names of every kind; and what a broken one leaves behind: nothing."""

import asyncio
import stat
from collections.abc import Iterable
from pathlib import Path

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from stt_gateway.http.uploads import MAX_FIELD_BYTES, MAX_PARTS, Received, receive_uploads
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

FORM = "multipart/form-data; boundary=xYz"
SPOOL_BYTES = 10_000_000
GONE = None
"""In place of a piece of a body: the client has left."""


def part(disposition: str, data: bytes, more: str = "") -> bytes:
    return f"--xYz\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n".encode() + data + b"\r\n"


def file_part(data: bytes, filename: str = "a.wav") -> bytes:
    return part(f'name="file"; filename="{filename}"', data, "Content-Type: audio/wav\r\n")


END = b"--xYz--\r\n"
AUDIO = b"RIFF\r\n--xY is not the border--xYz\r\n--\r\n\r\n--xY" + bytes(range(256))


def request_of(pieces: Iterable[bytes | None], content_type: str = FORM, stated_bytes: int | None = None) -> Request:
    waiting = list(pieces)

    async def receive() -> Message:
        piece = waiting.pop(0) if waiting else b""
        if piece is GONE:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    headers = [(b"content-type", content_type.encode("latin-1"))] if content_type else []
    if stated_bytes is not None:
        headers.append((b"content-length", str(stated_bytes).encode()))
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def received(
    spool: Path, *pieces: bytes | None, content_type: str = FORM, max_bytes: int = 1_000_000
) -> Received:
    return await receive_uploads(request_of(pieces, content_type), spool, max_bytes, SPOOL_BYTES)


async def refusal_of(
    spool: Path, *pieces: bytes | None, content_type: str = FORM, max_bytes: int = 1_000_000
) -> SttError:
    with pytest.raises(SttError) as caught:
        await received(spool, *pieces, content_type=content_type, max_bytes=max_bytes)
    assert list(spool.iterdir()) == [], "nothing is left behind"
    return caught.value


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 333, 100_000])
async def test_a_body_in_pieces_of_any_size_gives_the_same_files(tmp_path: Path, size: int) -> None:
    body = part('name="language"', b"de") + file_part(AUDIO) + file_part(b"second", "b.mp3") + END
    got = await received(tmp_path, *(body[at : at + size] for at in range(0, len(body), size)))
    assert got.fields == [("language", "de")]
    assert [(upload.filename, upload.size_bytes) for upload in got.files] == [("a.wav", len(AUDIO)), ("b.mp3", 6)]
    assert [(tmp_path / upload.spool_name).read_bytes() for upload in got.files] == [AUDIO, b"second"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(upload.spool_name for upload in got.files)


async def test_a_file_is_under_its_name_only_when_the_whole_body_has_come(tmp_path: Path) -> None:
    body = file_part(AUDIO) + END
    seen: list[str] = []

    async def receive() -> Message:
        await asyncio.sleep(0)
        if not seen:
            seen.append("begun")
            return {"type": "http.request", "body": body[:-10], "more_body": True}
        seen.extend(path.name for path in tmp_path.iterdir())
        return {"type": "http.request", "body": body[-10:], "more_body": False}

    headers = [(b"content-type", FORM.encode())]
    got = await receive_uploads(
        Request({"type": "http", "method": "POST", "headers": headers}, receive), tmp_path, 9999, SPOOL_BYTES
    )
    assert seen == ["begun", got.files[0].spool_name + ".part"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("talk.mp3", "talk.mp3"),
        ("../../../etc/passwd", "passwd"),
        ("C:\\secret\\talk.mp3", "talk.mp3"),
        ("/absolute/path", "path"),
        ("..", ".."),
        ("", ""),
        ("a\x00b\x07c\x1b[0m.mp3", "abc[0m.mp3"),
        ("n" * 4000, "n" * 255),
        ("\U0001f3a4 Grüße 快.mp3", "\U0001f3a4 Grüße 快.mp3"),
        ("semi; colon=1.mp3", "semi; colon=1.mp3"),
    ],
)
async def test_no_name_reaches_the_file_system(tmp_path: Path, given: str, shown: str) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    got = await received(spool, file_part(AUDIO, given) + END)
    assert got.files[0].filename == shown
    assert got.files[0].spool_name.isalnum()
    assert [path.name for path in spool.iterdir()] == [got.files[0].spool_name]
    assert list(tmp_path.iterdir()) == [spool]


@pytest.mark.parametrize("letter", ["n", "\U0001f3a4"])
@pytest.mark.parametrize("size", [7, 1000, 10**6])
async def test_a_name_of_10_000_letters_is_refused_clearly(tmp_path: Path, letter: str, size: int) -> None:
    body = file_part(AUDIO) + file_part(AUDIO, letter * 10_000) + END
    error = await refusal_of(tmp_path, *(body[at : at + size] for at in range(0, len(body), size)))
    assert error.code == "bad_message"
    assert "longer than 4096 bytes; give the file a shorter name" in error.message


async def test_a_header_without_end_is_refused_before_it_has_all_come(tmp_path: Path) -> None:
    error = await refusal_of(tmp_path, file_part(AUDIO) + b"--xYz\r\nContent-Disposition: " + b"x" * 10**6)
    assert error.code == "bad_message"


@pytest.mark.parametrize(
    "parameters",
    [
        b"filename=\"=?utf-8?B?Z3LDvMOfZS53YXY=?=\"; filename*=utf-8''gr%C3%BC%C3%9Fe.wav",
        b"filename*=UTF-8''gr%C3%BC%C3%9Fe.wav",
        b'filename="gr%C3%BC%C3%9Fe.wav"',
        b'filename="gr\xfc\xdfe.wav"',
    ],
)
async def test_a_name_is_read_as_clients_write_it(tmp_path: Path, parameters: bytes) -> None:
    got = await received(tmp_path, (part('name="file"; PARAMETERS', AUDIO) + END).replace(b"PARAMETERS", parameters))
    assert got.files[0].filename == "grüße.wav"


BROKEN = {
    "nothing": b"",
    "no form": b"hello",
    "another border": file_part(AUDIO).replace(b"xYz", b"abc"),
    "no end": file_part(AUDIO),
    "cut in the audio": file_part(AUDIO)[:-20],
    "cut in a header": file_part(AUDIO)[:30],
    "only the end": END,
    "no file": part('name="language"', b"de") + END,
    "a file under another name": part('name="audio"; filename="a.wav"', AUDIO) + END,
    "no name": part('filename="a.wav"', b"x") + END,
    "no disposition": b"--xYz\r\nContent-Type: audio/wav\r\n\r\nx\r\n" + END,
    "a broken header": b"--xYz\r\nContent Disposition\r\n\r\nx\r\n" + END,
    "twenty headers": part('name="file"', AUDIO, "X-A: 1\r\n" * 20) + END,
    "a good file before the break": file_part(AUDIO) + b"--xYz\r\n\x00: \r\n\r\n" + END,
}


async def test_an_upload_is_for_its_user_only(tmp_path: Path) -> None:
    (upload,) = (await received(tmp_path, file_part(AUDIO) + END)).files
    assert stat.S_IMODE((tmp_path / upload.spool_name).stat().st_mode) == 0o600


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_form_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    error = await refusal_of(tmp_path, BROKEN[name])
    assert error.code == "bad_message"
    assert error.message


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "audio/wav",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=xYz",
        ";",
        "é",
    ],
)
async def test_what_is_no_form_is_refused_with_what_is_wanted(tmp_path: Path, content_type: str) -> None:
    error = await refusal_of(tmp_path, file_part(AUDIO) + END, content_type=content_type)
    assert error.code == "bad_message"
    assert "multipart/form-data with one or more parts named file" in error.message


async def test_a_boundary_that_is_too_long_is_the_clients_mistake(tmp_path: Path) -> None:
    """A fixed bug: the parser refuses it with another error than the forms it finds broken, and that was a 500."""
    border = "b" * 300
    body = (file_part(AUDIO) + END).replace(b"xYz", border.encode())
    error = await refusal_of(tmp_path, body, content_type=f"multipart/form-data; boundary={border}")
    assert error.code == "bad_message"


async def test_an_empty_file_is_refused_by_name_with_those_beside_it(tmp_path: Path) -> None:
    error = await refusal_of(tmp_path, file_part(AUDIO) + file_part(b"", "silent.wav") + END)
    assert (error.code, error.message) == ("bad_audio", "the file 'silent.wav' is empty")


async def test_the_limit_counts_all_files_of_a_request(tmp_path: Path) -> None:
    body = file_part(bytes(60)) + file_part(bytes(40))
    assert len((await received(tmp_path, body + END, max_bytes=100)).files) == 2
    for path in tmp_path.iterdir():
        path.unlink()
    error = await refusal_of(tmp_path, body + END, max_bytes=99)
    assert (error.code, error.message) == ("too_large", "more than 99 bytes of audio in one request")


async def test_what_is_too_large_is_refused_before_it_has_all_come(tmp_path: Path) -> None:
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        head = file_part(b"")[:-2] if asked == 1 else b""
        return {"type": "http.request", "body": head + bytes(1000), "more_body": True}

    headers = [(b"content-type", FORM.encode())]
    with pytest.raises(SttError) as caught:
        await receive_uploads(
            Request({"type": "http", "method": "POST", "headers": headers}, receive), tmp_path, 5000, SPOOL_BYTES
        )
    assert caught.value.code == "too_large"
    assert asked == 6
    assert list(tmp_path.iterdir()) == []


async def test_fields_and_parts_are_bounded_too(tmp_path: Path) -> None:
    fits = part('name="prompt"', b"p" * MAX_FIELD_BYTES)
    assert len((await received(tmp_path, fits + file_part(b"x") + END)).fields[0][1]) == MAX_FIELD_BYTES
    for path in tmp_path.iterdir():
        path.unlink()
    assert (await refusal_of(tmp_path, part('name="prompt"', b"p" * (MAX_FIELD_BYTES + 1)) + END)).code == "too_large"
    assert (await refusal_of(tmp_path, file_part(b"x") * (MAX_PARTS + 1) + END)).code == "too_large"


@pytest.mark.parametrize("at", [10, 100, 300, len(file_part(AUDIO)) + 40])
async def test_a_client_that_leaves_leaves_nothing(tmp_path: Path, at: int) -> None:
    body = file_part(AUDIO) + file_part(AUDIO) + END
    with pytest.raises(ClientDisconnect):
        await received(tmp_path, body[:at], GONE)
    assert list(tmp_path.iterdir()) == []


async def test_a_stop_of_the_server_leaves_nothing(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def receive() -> Message:
        if begun.is_set():
            await asyncio.sleep(60)
        begun.set()
        return {"type": "http.request", "body": file_part(AUDIO), "more_body": True}

    headers = [(b"content-type", FORM.encode())]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    task = asyncio.create_task(receive_uploads(request, tmp_path, 5000, SPOOL_BYTES))
    while not list(tmp_path.iterdir()):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("stated_bytes", "code"), [(50_000_000, "too_large"), (900_000, "at_capacity")])
async def test_a_body_that_cannot_fit_is_refused_before_it_is_read(
    tmp_path: Path, stated_bytes: int, code: str
) -> None:
    (tmp_path / "waiting").write_bytes(bytes(100_001))
    pieces = [file_part(AUDIO) + END]
    request = request_of(pieces, stated_bytes=stated_bytes)
    with pytest.raises(SttError) as caught:
        await receive_uploads(request, tmp_path, 1_000_000, 1_000_000)
    assert caught.value.code == code
    assert await request.body() == pieces[0], "nothing of it has been read"


async def test_a_body_of_unknown_length_is_refused_when_the_folder_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.http.uploads.CHECK_EVERY_BYTES", 1000)
    pieces = [file_part(b"")[:-2], *([bytes(1000)] * 50)]
    with pytest.raises(SttError) as caught:
        await receive_uploads(request_of(pieces), tmp_path, 1_000_000, 20_000)
    assert caught.value.code == "at_capacity"
    assert list(tmp_path.iterdir()) == []
