"""Audio that the client sends: files, streams, raw samples."""

import asyncio
import io
import struct
import threading
import wave
from pathlib import Path

import pytest

from stt_cli.errors import CliError
from stt_cli.live.sources import PieceReader, channels_of_file, pieces_of_file, pieces_of_stream

pytestmark = pytest.mark.unit


def write_wav(path: Path, rate: int, channels: int, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack("<h", 1000) * int(rate * seconds) * channels)


def test_a_file_is_played_as_16_khz_mono_in_pieces_of_100_ms(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", rate=48_000, channels=2, seconds=1.25)
    pieces = list(pieces_of_file(tmp_path / "a.wav"))
    assert {len(piece) for piece in pieces[:-1]} == {3200}
    assert sum(map(len, pieces)) == 16_000 * 1.25 * 2


def test_channels_that_are_kept_apart_are_all_sent(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(struct.pack("<hh", 1000, -2000) * 20_000)
    assert channels_of_file(tmp_path / "a.wav") == 2
    pieces = list(pieces_of_file(tmp_path / "a.wav", apart=True))
    assert {len(piece) for piece in pieces[:-1]} == {6400}
    assert b"".join(pieces) == struct.pack("<hh", 1000, -2000) * 20_000


def test_a_file_that_cannot_be_played_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no sound at all" * 100)
    with pytest.raises(CliError, match=r"cannot decode .*a\.wav"):
        list(pieces_of_file(tmp_path / "a.wav"))
    with pytest.raises(CliError, match=r"cannot read .*gone\.wav: No such file"):
        list(pieces_of_file(tmp_path / "gone.wav"))


async def test_a_source_ends_with_the_loop_that_reads_it() -> None:
    def listen_a_while() -> None:
        async def first_piece() -> None:
            await PieceReader(iter([b"x"] * 1000), asyncio.get_running_loop()).next()
            await asyncio.sleep(0.1)

        asyncio.run(first_piece())

    failed: list[str] = []
    before, threading.excepthook = threading.excepthook, lambda args: failed.append(str(args.exc_type))
    try:
        await asyncio.to_thread(listen_a_while)
        for thread in threading.enumerate():
            if thread.name == "audio-source":
                await asyncio.to_thread(thread.join, 5)
    finally:
        threading.excepthook = before
    assert failed == []


def test_raw_input_goes_on_in_whole_samples_however_it_arrives() -> None:
    class Dribble(io.BytesIO):
        def read1(self, size: int = -1, /) -> bytes:
            return super().read1(7)

    pieces = list(pieces_of_stream(Dribble(bytes(range(101))), 16_000, channels=2))
    assert all(len(piece) % 4 == 0 for piece in pieces)
    assert b"".join(pieces) == bytes(range(100))
