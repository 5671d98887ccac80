"""Bounds on memory and time while FFmpeg opens a file or stream, and files that must not be refused."""

import io
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import av
import numpy as np
import pytest
from support import decoder_bombs

from stt_audio.codecs import memory
from stt_audio.codecs.container import ContainerDecoder
from stt_audio.codecs.formats import Media
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.codecs.memory import MAX_ALLOCATION_BYTES, limit_allocations
from stt_audio.codecs.source import DecodingCancelled
from stt_audio.files.decoder import FileDecoder
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

LONG = 10**9
MIB = decoder_bombs.MIB
BOMBS = {
    "a tag that claims a gigabyte": decoder_bombs.wav_tag,
    "a sample table of 20 million": decoder_bombs.mp4_sample_table,
    "a fragment of 60 million samples": decoder_bombs.mp4_fragment,
    "20 tables, each within the limit of one allocation": lambda: decoder_bombs.mp4_sample_table(2_700_000, tracks=20),
}
ATTACHED = {
    "one attached file of 60 MiB": lambda: decoder_bombs.mkv_attachments(1, 60 * MIB),
    "400 attached files of 200 KiB": lambda: decoder_bombs.mkv_attachments(400, MIB // 5),
}
CHILD = """
import json, multiprocessing, sys
from pathlib import Path
from stt_audio.codecs.memory import limit_allocations
from stt_audio.files.decoder import FileDecoder
from stt_audio.files import decoder_process
from stt_audio.files.decoder_child import Refused, serve
from stt_shared.contracts.errors import SttError

path, how = Path(sys.argv[1]), sys.argv[2]

def peak_mb():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

def file():
    limit_allocations()
    with FileDecoder(path, 10**9) as decoder:
        while decoder.read():
            pass

def process():
    reader, writer = multiprocessing.Pipe(duplex=False)
    serve(writer, path, 10**9, None, "mix")
    writer.close()
    while not isinstance(message := decoder_process.MESSAGES.decode(reader.recv_bytes()), Refused):
        pass
    raise SttError(message.code, message.message)

before_mb, code = peak_mb(), ""
try:
    process() if how == "process" else file()
except SttError as error:
    code = error.code
print(json.dumps({"code": code, "grown_mb": peak_mb() - before_mb}))
"""


def opened_by_a_child(path: Path, how: str) -> tuple[str, float]:
    """The error's code, and the megabytes by which the child's memory grew at most."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the system does not tell a process's peak memory")
    command = [sys.executable, "-c", CHILD, str(path), how]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert result.returncode == 0, result.stderr
    assert "exception being dropped" not in result.stderr
    outcome = json.loads(result.stdout.splitlines()[-1])
    return outcome["code"], outcome["grown_mb"]


@pytest.mark.parametrize("name", ATTACHED)
def test_attached_files_are_not_read_beyond_the_limit(name: str, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(ATTACHED[name]())
    code, grown_mb = opened_by_a_child(tmp_path / "upload", "file")
    assert code == "too_large"
    assert grown_mb < 150


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit of a process is one of Linux")
@pytest.mark.parametrize("name", [*BOMBS, *ATTACHED])
def test_a_file_costs_less_than_100_mib(name: str, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes({**BOMBS, **ATTACHED}[name]())
    code, grown_mb = opened_by_a_child(tmp_path / "upload", "process")
    assert code in ("bad_audio", "too_large")
    assert grown_mb < 100


@pytest.mark.parametrize("name", list(BOMBS)[:3])
def test_a_bomb_of_one_allocation_costs_next_to_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(BOMBS[name]())
    _, grown_mb = opened_by_a_child(tmp_path / "upload", "file")
    assert grown_mb < 80


def test_the_limit_holds_for_the_library_that_pyav_uses() -> None:
    assert limit_allocations()
    assert av.Packet(MAX_ALLOCATION_BYTES - 4096).size
    with pytest.raises(MemoryError):
        av.Packet(MAX_ALLOCATION_BYTES + 1)


def test_a_library_without_the_limit_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_av_max_alloc", lambda: None)
    assert not limit_allocations()


def test_an_index_beyond_the_limit_is_reported_as_such(tmp_path: Path) -> None:
    assert limit_allocations()
    (tmp_path / "upload").write_bytes(decoder_bombs.mp4_fragment(5_000_000))
    with pytest.raises(SttError, match=r"more memory for its index or tags than is allowed \(64 MiB") as refused:
        FileDecoder(tmp_path / "upload", LONG)
    assert refused.value.code == "too_large"


def recording(
    container_format: str, codec: str, *, attached: bytes = b"", options: dict[str, str] | None = None, **tags: str
) -> bytes:
    """A second of noise."""
    noise = np.random.default_rng(1).integers(-3000, 3000, (1, 48000)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
    frame.sample_rate = 48000
    file = io.BytesIO()
    with av.open(file, "w", format=container_format, options=options or {}) as container:
        container.metadata.update(tags)
        stream = container.add_stream(codec, rate=48000, layout="mono")
        if attached:
            container.add_attachment("font.ttf", "application/x-truetype-font", attached)
        context = stream.codec_context
        resampler = av.AudioResampler(context.format, "mono", 48000, frame_size=context.frame_size or 1024)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux([packet for packet in stream.encode(None) if packet.size])
    return file.getvalue()


def seconds_of(path: Path, cancelled: threading.Event | None = None) -> float:
    with FileDecoder(path, LONG, cancelled) as decoder:
        return sum(len(frame) for frame in iter(decoder.read, b"")) / 32000


def test_a_recording_with_attached_files_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(recording("matroska", "libopus", attached=bytes(10 * MIB)))
    assert seconds_of(tmp_path / "upload") == pytest.approx(1, abs=0.1)


def in_latin1(data: bytes) -> bytes:
    assert b"Cafe" in data
    return data.replace(b"Cafe", "Café".encode("latin-1"))


UNTAGGED = {"write_xing": "0", "id3v2_version": "0"}
ID3V1 = b"TAG" + "Café".encode("latin-1").ljust(124, b"\0") + b"\xff"
TAGGED = {
    "wav": lambda: in_latin1(recording("wav", "pcm_s16le", title="Cafe")),
    "matroska": lambda: in_latin1(recording("matroska", "libopus", title="Cafe")),
    "mp3": lambda: recording("mp3", "libmp3lame", options=UNTAGGED) + ID3V1,
}


@pytest.mark.parametrize("name", TAGGED)
def test_a_file_with_tags_in_latin1_is_decoded(name: str, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(TAGGED[name]())
    assert seconds_of(tmp_path / "upload") == pytest.approx(1, abs=0.1)


async def joined(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize("media", [Media.MATROSKA, Media.WAV, Media.MP3])
async def test_a_stream_with_tags_in_latin1_is_decoded(media: Media) -> None:
    decoder = ContainerDecoder(media, LengthLimit(LONG))
    try:
        pcm = await joined(decoder.feed(TAGGED[media.value]())) + await joined(decoder.finish())
    finally:
        await decoder.close()
    assert len(pcm) / 32000 == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("offset", [1 << 50, (1 << 63) - 1000, (1 << 64) - 1000])
def test_a_position_that_no_file_has_is_bad_audio(offset: int, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(decoder_bombs.mp4_far_away(offset))
    with pytest.raises(SttError) as refused:
        seconds_of(tmp_path / "upload")
    assert refused.value.code == "bad_audio"


class SetAfter(threading.Event):
    """Set once it was asked this many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left = times

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


def test_cancelling_ends_the_reading_at_any_place(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(recording("adts", "aac") * 30)
    reads = SetAfter(10**6)
    seconds_of(tmp_path / "upload", reads)
    n_reads = 10**6 - reads._left
    assert n_reads > 5
    for after in range(n_reads):
        with pytest.raises(DecodingCancelled):
            seconds_of(tmp_path / "upload", SetAfter(after))


def test_opening_a_file_has_a_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_audio.codecs.source.OPEN_WITHIN_S", -1.0)
    (tmp_path / "upload").write_bytes(recording("flac", "flac"))
    with pytest.raises(SttError, match="could not be opened within") as refused:
        FileDecoder(tmp_path / "upload", LONG)
    assert refused.value.code == "bad_audio"
