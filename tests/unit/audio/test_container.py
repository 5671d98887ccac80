"""Compressed streams and files: recordings made here with FFmpeg's encoders come back whole, rubbish as an error."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest

from stt_audio.codecs.container import ContainerDecoder
from stt_audio.codecs.formats import Media
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.codecs.mixing import BLOCK_SAMPLES, ChannelMixer
from stt_audio.files.decoder import FRAME_SAMPLES, FileDecoder
from stt_audio.live.decoder import LiveDecoder, live_decoder
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding, SessionConfig

pytestmark = pytest.mark.unit

LONG = 10**9
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}


def recording(
    container_format: str,
    codec: str,
    *,
    sample_rate: int = 48000,
    layout: str = "mono",
    duration_s: float = 3.0,
    options: dict[str, str] | None = None,
    video: bool = False,
) -> bytes:
    """A sine of 440 Hz, each whole second at another level."""
    file = io.BytesIO()
    moments = np.arange(int(sample_rate * duration_s)) / sample_rate
    level = 4000 * (1 + moments.astype(int) % 3)
    sine = (level * np.sin(2 * np.pi * 440 * moments)).astype(np.int16)
    interleaved = np.repeat(sine, 2 if layout == "stereo" else 1).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout=layout)
    frame.sample_rate = sample_rate
    with av.open(file, "w", format=container_format, options=options or {}) as container:
        pictures = container.add_stream("mpeg4", rate=25) if video else None
        if pictures is not None:
            pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        stream = container.add_stream(codec, rate=sample_rate, layout=layout)
        context = stream.codec_context
        if codec == "wmav2":
            context.bit_rate = 64_000
        resampler = av.AudioResampler(context.format, layout, sample_rate, frame_size=context.frame_size or 1024)
        if pictures is not None:
            for _ in range(int(25 * duration_s)):
                container.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
            container.mux(pictures.encode(None))
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux([packet for packet in stream.encode(None) if packet.size])
    return file.getvalue()


STREAMS = [
    pytest.param(Encoding.WEBM, "webm", "libopus", {"layout": "stereo"}, id="webm"),
    pytest.param(Encoding.WEBM, "webm", "libopus", {"options": {"live": "1"}}, id="webm live"),
    pytest.param(Encoding.OGG, "ogg", "libopus", {}, id="ogg opus"),
    pytest.param(Encoding.OGG, "ogg", "flac", {}, id="ogg flac"),
    pytest.param(Encoding.MP3, "mp3", "libmp3lame", {"sample_rate": 44100}, id="mp3"),
    pytest.param(Encoding.FLAC, "flac", "flac", {"sample_rate": 44100, "layout": "stereo"}, id="flac"),
    pytest.param(Encoding.AAC, "adts", "aac", {"sample_rate": 44100}, id="adts"),
    pytest.param(Encoding.AAC, "mp4", "aac", {"sample_rate": 44100, "options": FRAGMENTS}, id="fragmented mp4"),
    pytest.param(Encoding.WAV, "wav", "pcm_s16le", {"sample_rate": 44100, "layout": "stereo"}, id="wav"),
    pytest.param(Encoding.WAV, "wav", "pcm_s24le", {"sample_rate": 48000}, id="wav 24 bits"),
    pytest.param(Encoding.WAV, "wav", "pcm_mulaw", {"sample_rate": 8000}, id="wav mulaw"),
    pytest.param(Encoding.WAV, "wav", "adpcm_ms", {"sample_rate": 22050}, id="wav adpcm"),
]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decoder")]


async def joined(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def decoded(decoder: LiveDecoder, data: bytes, step: int) -> np.ndarray:
    try:
        pcm = [await joined(decoder.feed(data[start : start + step])) for start in range(0, len(data), step)]
        pcm.append(await joined(decoder.finish()))
    finally:
        await decoder.close()
    return np.frombuffer(b"".join(pcm), "<i2")


def assert_is_the_recording(samples: np.ndarray, duration_s: float = 3.0) -> None:
    assert abs(len(samples) / 16000 - duration_s) < 0.1
    for second in range(int(duration_s)):
        loudness = np.abs(samples[16000 * second + 4000 : 16000 * second + 12000].astype(float)).max()
        assert loudness == pytest.approx(4000 * (1 + second % 3), rel=0.15), second


@pytest.mark.parametrize(("encoding", "container_format", "codec", "how"), STREAMS)
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "auto"])
async def test_streams_in_pieces(
    encoding: Encoding, container_format: str, codec: str, how: dict, announced: bool, executor: ThreadPoolExecutor
) -> None:
    config = SessionConfig(encoding=encoding if announced else Encoding.AUTO)
    data = recording(container_format, codec, **how)
    step = max(1, len(data) // 37)
    assert_is_the_recording(await decoded(live_decoder(config, executor, LONG), data, step))


async def test_pieces_may_be_single_bytes(executor: ThreadPoolExecutor) -> None:
    data = recording("wav", "pcm_alaw", sample_rate=8000, duration_s=0.25)
    pcm = await decoded(live_decoder(SessionConfig(encoding=Encoding.AUTO), executor, LONG), data, 1)
    assert len(pcm) == 4000
    data = recording("webm", "libopus", duration_s=0.1)
    assert len(await decoded(live_decoder(SessionConfig(encoding=Encoding.WEBM), executor, LONG), data, 1)) == 1600


async def test_audio_comes_out_while_the_stream_goes_on(executor: ThreadPoolExecutor) -> None:
    data = recording("webm", "libopus", options={"cluster_time_limit": "100", "live": "1"})
    decoder = live_decoder(SessionConfig(encoding=Encoding.WEBM), executor, LONG)
    heard = 0
    for start in range(0, len(data), len(data) // 30):
        heard += len(await joined(decoder.feed(data[start : start + len(data) // 30]))) // 2
        fed = min(1.0, (start + len(data) // 30) / len(data)) * 3 * 16000
        assert fed - heard < 0.4 * 16000
    await decoder.close()


async def test_what_follows_the_samples_of_a_wav_is_no_audio(executor: ThreadPoolExecutor) -> None:
    data = recording("wav", "pcm_s16le", sample_rate=16000, duration_s=1) + b"LIST\xe8\x03\0\0" + bytes(1000)
    assert len(await decoded(live_decoder(SessionConfig(encoding=Encoding.WAV), executor, LONG), data, 3200)) == 16000


@pytest.mark.parametrize("encoding", [Encoding.WEBM, Encoding.MP3, Encoding.AAC, Encoding.FLAC, Encoding.OGG])
async def test_rubbish_is_an_error(encoding: Encoding, executor: ThreadPoolExecutor) -> None:
    magic = {Encoding.WEBM: b"\x1a\x45\xdf\xa3", Encoding.FLAC: b"fLaC", Encoding.OGG: b"OggS"}.get(encoding, b"")
    data = magic + np.random.default_rng(0).integers(0, 256, 60_000, dtype=np.uint8).tobytes()
    with pytest.raises(SttError) as refused:
        await decoded(live_decoder(SessionConfig(encoding=encoding), executor, LONG), data, 5000)
    assert refused.value.code in ("bad_audio", "unsupported_media")
    assert len(refused.value.message) > 20


async def test_a_stream_that_never_began_is_none(executor: ThreadPoolExecutor) -> None:
    decoder = live_decoder(SessionConfig(encoding=Encoding.WEBM), executor, LONG)
    assert await joined(decoder.finish()) == b""
    await decoder.close()


async def test_a_stream_may_not_end_within_its_head(executor: ThreadPoolExecutor) -> None:
    with pytest.raises(SttError, match="ended within its header"):
        await decoded(live_decoder(SessionConfig(encoding=Encoding.WEBM), executor, LONG), b"\x1a\x45\xdf", 3)


async def test_a_truncated_stream_gives_what_there_is(executor: ThreadPoolExecutor) -> None:
    data = recording("webm", "libopus")
    pcm = await decoded(
        live_decoder(SessionConfig(encoding=Encoding.WEBM), executor, LONG), data[: len(data) // 2], 999
    )
    assert 1.2 < len(pcm) / 16000 < 1.8


async def test_too_much_audio_is_refused() -> None:
    bomb = recording("flac", "flac", sample_rate=16000, duration_s=60)
    decoder = ContainerDecoder(Media.FLAC, LengthLimit(160_000))
    heard: list[bytes] = []

    async def listen() -> None:
        async for pcm in decoder.feed(bomb):
            heard.append(pcm)

    with pytest.raises(SttError, match="longer than the 10 s") as refused:
        await listen()
    await decoder.close()
    assert refused.value.code == "too_large"
    assert 140_000 < sum(map(len, heard)) // 2 <= 160_000


async def test_what_was_decoded_before_an_error_is_heard(executor: ThreadPoolExecutor) -> None:
    """Also where all of it came in one piece: a chain whose second link has a rate that is not allowed."""
    first, second = recording("ogg", "flac", duration_s=0.5), recording("ogg", "flac", sample_rate=2000, duration_s=0.5)
    decoder = ContainerDecoder(Media.OGG, LengthLimit(LONG))
    heard: list[bytes] = []

    async def listen() -> None:
        async for pcm in decoder.feed(first + second):
            heard.append(pcm)

    with pytest.raises(SttError, match="a sample rate of 2000 Hz"):
        await listen()
    await decoder.close()
    assert sum(map(len, heard)) // 2 == 8000


async def test_what_came_together_is_mixed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = recording("webm", "libopus", layout="stereo", options={"live": "1", "cluster_time_limit": "100"})
    mixed: list[int] = []
    feed = ChannelMixer.feed

    def counted(mixer: ChannelMixer, samples: np.ndarray) -> np.ndarray:
        mixed.append(len(samples))
        return feed(mixer, samples)

    monkeypatch.setattr(ChannelMixer, "feed", counted)
    decoder, heard = ContainerDecoder(Media.MATROSKA, LengthLimit(LONG)), 0
    step = len(data) // 15
    for start in range(0, len(data), step):
        heard += len(await joined(decoder.feed(data[start : start + step])))
        assert sum(mixed) - heard // 2 < BLOCK_SAMPLES  # all that FFmpeg has decoded
    await decoder.close()
    assert sum(mixed) > 44_000
    assert len(mixed) < 20  # pieces, not the 150 packets


async def test_output_waits_for_its_taker() -> None:
    decoder = ContainerDecoder(Media.FLAC, LengthLimit(LONG))
    pieces = decoder.feed(recording("flac", "flac", sample_rate=16000, duration_s=60))
    await anext(pieces)
    await asyncio.sleep(0.1)
    assert len(decoder._output) < 6 * 32_000
    await pieces.aclose()
    await decoder.close()


@pytest.mark.parametrize("fed", [0, 10, 3000, 30_000])
async def test_closing_ends_the_thread_wherever_it_is(fed: int) -> None:
    decoder = ContainerDecoder(Media.MATROSKA, LengthLimit(LONG))
    await joined(decoder.feed(recording("webm", "libopus")[:fed]))
    async with asyncio.timeout(5):
        await decoder.close()
    assert not decoder._thread.is_alive()


FILES = [
    pytest.param("mp4", "aac", {}, id="m4a with its index at the end"),
    pytest.param("mp4", "aac", {"video": True}, id="mp4 video"),
    pytest.param("matroska", "libopus", {"video": True}, id="mka video"),
    pytest.param("mp3", "libmp3lame", {}, id="mp3"),
    pytest.param("flac", "flac", {}, id="flac"),
    pytest.param("ogg", "libopus", {}, id="ogg"),
    pytest.param("adts", "aac", {}, id="aac"),
    pytest.param("wav", "pcm_s16le", {"layout": "stereo"}, id="wav"),
    pytest.param("wav", "pcm_f32le", {}, id="wav float"),
    pytest.param("aiff", "pcm_s16be", {}, id="aiff"),
    pytest.param("au", "pcm_mulaw", {"sample_rate": 8000}, id="au"),
    pytest.param("caf", "alac", {}, id="caf"),
    pytest.param("asf", "wmav2", {}, id="wma"),
    pytest.param("ac3", "ac3", {}, id="ac3"),
    pytest.param("w64", "pcm_s16le", {}, id="w64"),
]


def read_file(path: Path, max_samples: int = LONG) -> tuple[np.ndarray, int]:
    with FileDecoder(path, max_samples) as file:
        frames = []
        while frame := file.read():
            frames.append(frame)
        assert all(len(frame) == 2 * FRAME_SAMPLES for frame in frames[:-1])
        return np.frombuffer(b"".join(frames), "<i2"), file.total_samples


@pytest.mark.parametrize(("container_format", "codec", "how"), FILES)
def test_files(container_format: str, codec: str, how: dict, tmp_path: Path) -> None:
    path = tmp_path / "upload.txt"
    path.write_bytes(recording(container_format, codec, **how))
    samples, claimed = read_file(path)
    assert_is_the_recording(samples)
    assert claimed == 0 or abs(claimed - len(samples)) < 4000


def test_a_truncated_file_gives_what_there_is(tmp_path: Path) -> None:
    data = recording("flac", "flac")
    (tmp_path / "upload").write_bytes(data[: len(data) // 2])
    samples, _ = read_file(tmp_path / "upload")
    assert 1.0 < len(samples) / 16000 < 2.0


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "bad_audio"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "unsupported_media"),
        (b"%PDF-1.7 and so on, at some length", "unsupported_media"),
        (b"RIFF\x24\x00\x00\x00WAVE", "bad_audio"),
        (b"\x00\x00\x00\x1cftypisom" + bytes(3000), "bad_audio"),
        (b"fLaC" + bytes(3000), "bad_audio"),
    ],
)
def test_files_that_hold_no_audio(content: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(content)
    with pytest.raises(SttError) as refused:
        read_file(tmp_path / "upload")
    assert refused.value.code == code


def test_a_film_without_sound_is_unsupported(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "upload"), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(stream.encode(None))
    with pytest.raises(SttError, match="no audio track") as refused:
        read_file(tmp_path / "upload")
    assert refused.value.code == "unsupported_media"


@pytest.mark.parametrize(("container_format", "codec"), [("wav", "pcm_s16le"), ("mp3", "libmp3lame")])
def test_too_long_a_file_is_refused(container_format: str, codec: str, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(recording(container_format, codec))
    with pytest.raises(SttError, match="longer than the 2 s") as refused:
        read_file(tmp_path / "upload", max_samples=32_000)
    assert refused.value.code == "too_large"
