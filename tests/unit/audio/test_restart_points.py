"""A decoder is dropped in mid-stream and another one goes on: what comes out is what one decoder would have given."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from support.live_decoding import FRAGMENTS, LIVE_WEBM, LONG, STEREO, in_pieces, joined, run, stream, voice

from stt_audio.codecs import restart_points
from stt_audio.codecs.formats import Media
from stt_audio.codecs.mixing import BLOCK_SAMPLES
from stt_audio.codecs.mpeg import MpegFramer
from stt_audio.codecs.restart_points import MAX_KEPT_BYTES, Checkpoint, Point
from stt_audio.codecs.sniff import sniff
from stt_audio.codecs.stream_parser import MAX_PART_BYTES
from stt_audio.codecs.sync_points import parser_for
from stt_audio.live.decoder import live_decoder
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding, SessionConfig

pytestmark = pytest.mark.unit

STREAMS = [
    pytest.param(Encoding.WEBM, {"container": "webm", "codec": "libopus", "options": LIVE_WEBM}, id="webm long"),
    pytest.param(
        Encoding.WEBM,
        {"container": "webm", "codec": "libopus", "options": {"cluster_time_limit": "250"}, "layout": STEREO},
        id="webm short",
    ),
    pytest.param(
        Encoding.WEBM,
        {"container": "webm", "codec": "libopus", "bit_rate": 16000, "codec_options": {"application": "voip"}},
        id="webm voip",
    ),
    pytest.param(Encoding.OGG, {"container": "ogg", "codec": "libopus"}, id="ogg opus"),
    pytest.param(
        Encoding.OGG,
        {
            "container": "ogg",
            "codec": "vorbis",
            "rate": 44100,
            "layout": STEREO,
            "codec_options": {"strict": "-2"},
        },
        id="ogg vorbis",
    ),
    pytest.param(Encoding.OGG, {"container": "ogg", "codec": "flac", "rate": 44100}, id="ogg flac"),
    pytest.param(Encoding.MP3, {"container": "mp3", "codec": "libmp3lame", "rate": 44100}, id="mp3 44k"),
    pytest.param(
        Encoding.MP3, {"container": "mp3", "codec": "libmp3lame", "rate": 16000, "bit_rate": 24000}, id="mp3 16k"
    ),
    pytest.param(Encoding.MP3, {"container": "mp2", "codec": "mp2", "rate": 48000}, id="mp2"),
    pytest.param(Encoding.FLAC, {"container": "flac", "codec": "flac", "rate": 16000}, id="flac 16k"),
    pytest.param(Encoding.FLAC, {"container": "flac", "codec": "flac", "rate": 44100, "layout": STEREO}, id="flac 44k"),
    pytest.param(
        Encoding.AAC,
        {"container": "adts", "codec": "aac", "rate": 44100, "codec_options": {"aac_pns": "0"}},
        id="adts",
    ),
    pytest.param(
        Encoding.AAC,
        {"container": "mp4", "codec": "aac", "rate": 44100, "options": FRAGMENTS, "codec_options": {"aac_pns": "0"}},
        id="fragmented mp4",
    ),
    pytest.param(Encoding.WAV, {"container": "wav", "codec": "pcm_s16le", "rate": 44100, "layout": STEREO}, id="wav"),
    pytest.param(Encoding.WAV, {"container": "wav", "codec": "pcm_f32le", "rate": 16000}, id="wav 16k float"),
    pytest.param(Encoding.WAV, {"container": "wav", "codec": "adpcm_ms", "rate": 22050}, id="wav adpcm"),
    *(
        pytest.param(
            Encoding.AUTO,
            {"container": container, "codec": "aac", "rate": 44100, "codec_options": {"aac_pns": "0"}},
            id=f"{container} aac",
        )
        for container in ("mpegts", "flv")
    ),
    pytest.param(Encoding.AUTO, {"container": "mpegts", "codec": "mp2"}, id="mpegts mp2"),
    pytest.param(Encoding.AUTO, {"container": "mpegts", "codec": "ac3"}, id="mpegts ac-3"),
    pytest.param(Encoding.AUTO, {"container": "mpegts", "codec": "libopus"}, id="mpegts opus"),
    pytest.param(Encoding.AUTO, {"container": "flv", "codec": "libmp3lame", "rate": 44100}, id="flv mp3"),
    pytest.param(
        Encoding.AUTO,
        {"container": "amr", "codec": "libopencore_amrnb", "rate": 8000, "bit_rate": 12200},
        id="amr",
    ),
    pytest.param(
        Encoding.AUTO, {"container": "au", "codec": "pcm_s16be", "rate": 44100, "layout": STEREO}, id="au 44k"
    ),
    pytest.param(Encoding.AUTO, {"container": "au", "codec": "pcm_mulaw", "rate": 8000}, id="au mu-law"),
    pytest.param(Encoding.AUTO, {"container": "au", "codec": "pcm_f32be", "rate": 16000}, id="au 16k float"),
]
FLV_HEADER = b"FLV\x01\x04\0\0\0\x09" + bytes(4)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.parametrize(("encoding", "how"), STREAMS)
async def test_a_successor_gives_the_very_samples(encoding: Encoding, how: dict, executor: ThreadPoolExecutor) -> None:
    is_opus_likely = how["container"] in ("webm", "ogg")
    pieces = in_pieces(stream(**how, duration_s=16.0 if is_opus_likely else 8.0), 48)
    alone = await run(SessionConfig(encoding=encoding), pieces, executor)
    assert len(alone.samples) > 7.5 * 16000
    with_losses = await run(SessionConfig(encoding=encoding), pieces, executor, lost_every=3)
    assert np.array_equal(with_losses.samples, alone.samples)
    assert max(with_losses.fed_again) <= MAX_KEPT_BYTES
    if how["codec"] != "adpcm_ms":  # which can be taken up from its beginning only
        assert with_losses.fed_again[-1] < 0.8 * sum(map(len, pieces))


async def test_a_container_is_told_by_its_first_bytes_only_once(executor: ThreadPoolExecutor) -> None:
    """A successor begins in the middle, where nothing shows what the stream is."""
    for how in ({"container": "mp3", "codec": "libmp3lame"}, {"container": "wav", "codec": "pcm_s16le", "rate": 44100}):
        pieces = in_pieces(stream(**how), 48)
        alone = await run(SessionConfig(encoding=Encoding.AUTO), pieces, executor)
        with_losses = await run(SessionConfig(encoding=Encoding.AUTO), pieces, executor, lost_every=5)
        assert np.array_equal(with_losses.samples, alone.samples)


async def test_invented_noise_differs_but_not_its_length(executor: ThreadPoolExecutor) -> None:
    """AAC may leave noise to the decoder's chance (PNS); where it does, no two decoders say the same."""
    pieces = in_pieces(stream("adts", "aac", 44100, codec_options={"aac_pns": "1"}, bit_rate=48000), 48)
    alone = await run(SessionConfig(encoding=Encoding.AAC), pieces, executor)
    with_losses = await run(SessionConfig(encoding=Encoding.AAC), pieces, executor, lost_every=7)
    assert len(with_losses.samples) == len(alone.samples)
    assert np.sqrt(np.mean((with_losses.samples - alone.samples) ** 2.0)) < 0.05 * np.std(alone.samples)


BARE = [
    (Encoding.PCM_S16LE, 16000, 1),
    (Encoding.PCM_S16LE, 44100, 2),
    (Encoding.PCM_S16LE, 48000, 1),
    (Encoding.PCM_F32LE, 22050, 1),
    (Encoding.PCM_F32LE, 16000, 2),
    (Encoding.MULAW, 8000, 1),
    (Encoding.ALAW, 11025, 1),
]


def bare(encoding: Encoding, rate: int, channels: int) -> bytes:
    samples = np.repeat(voice(3.0, rate), channels)
    if encoding is Encoding.PCM_F32LE:
        return samples.astype("<f4").tobytes()
    whole = (samples * 32767).astype("<i2")
    return whole.tobytes() if encoding is Encoding.PCM_S16LE else (whole >> 8).astype(np.int8).tobytes()


@pytest.mark.parametrize(("lost_every", "flushed_after"), [(1, -1), (4, 11), (4, 12)])
@pytest.mark.parametrize(("encoding", "rate", "channels"), BARE)
async def test_bare_samples_go_on_in_the_resamplers_phase(
    encoding: Encoding, rate: int, channels: int, lost_every: int, flushed_after: int, executor: ThreadPoolExecutor
) -> None:
    config = SessionConfig(encoding=encoding, sample_rate=rate, channels=channels)
    pieces = in_pieces(bare(encoding, rate, channels), 30)
    alone = await run(config, pieces, executor, flushed_after=flushed_after)
    with_losses = await run(config, pieces, executor, lost_every=lost_every, flushed_after=flushed_after)
    assert np.array_equal(with_losses.samples, alone.samples)
    if rate == 16000:
        block = 0 if channels == 1 else BLOCK_SAMPLES
        assert max(with_losses.fed_again) < 8 + block * 8, "what the mixer holds and a part of a sample, and no more"
    else:
        assert max(with_losses.fed_again) <= 0.5 * rate * channels * 4


def spoiled(kind: str, rate: int, channels: int) -> np.ndarray:
    """float32 [n, channels]: a voice on the first channel, and on the others what must not be mixed with it."""
    first = voice(5.0, rate) * np.float32(0.3)
    hum = 0.6 * np.sin(2 * np.pi * 200 * np.arange(len(first)) / rate)
    rest = {"opposite": -0.9 * first, "hum": hum, "too loud": first}[kind]
    loud = 9.0 if kind == "too loud" else 1.0
    return (loud * np.stack([first, *[rest] * (channels - 1)], 1)).astype(np.float32)


@pytest.mark.parametrize(("lost_every", "flushed_after"), [(1, -1), (3, 13)])
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (16000, 2), (44100, 2), (48000, 1), (11025, 4)])
@pytest.mark.parametrize("kind", ["opposite", "hum", "too loud"])
async def test_a_successor_mixes_and_scales_alike(
    kind: str, rate: int, channels: int, lost_every: int, flushed_after: int, executor: ThreadPoolExecutor
) -> None:
    config = SessionConfig(encoding=Encoding.PCM_F32LE, sample_rate=rate, channels=channels)
    pieces = in_pieces(spoiled(kind, rate, channels).tobytes(), 30)
    alone = await run(config, pieces, executor, flushed_after=flushed_after)
    with_losses = await run(config, pieces, executor, lost_every=lost_every, flushed_after=flushed_after)
    assert np.array_equal(with_losses.samples, alone.samples)


@pytest.mark.parametrize("kind", ["opposite", "hum"])
async def test_a_successor_mixes_a_container_alike(kind: str, executor: ThreadPoolExecutor) -> None:
    samples = np.ascontiguousarray((spoiled(kind, 44100, 2) * 32767).astype(np.int16).reshape(1, -1))
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=STEREO)
    frame.sample_rate = 44100
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as output:
        added = output.add_stream("flac", rate=44100, layout=STEREO)
        resampler = av.AudioResampler(added.codec_context.format, STEREO, 44100, added.codec_context.frame_size)
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            output.mux(added.encode(piece))
    pieces = in_pieces(file.getvalue(), 48)
    alone = await run(SessionConfig(encoding=Encoding.FLAC), pieces, executor)
    with_losses = await run(SessionConfig(encoding=Encoding.FLAC), pieces, executor, lost_every=3)
    assert np.array_equal(with_losses.samples, alone.samples)


async def test_without_its_state_a_successor_mixes_otherwise(
    executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the tests above would prove nothing."""
    config = SessionConfig(encoding=Encoding.PCM_F32LE, channels=2)
    pieces = in_pieces(spoiled("hum", 16000, 2).tobytes(), 30)
    alone = await run(config, pieces, executor)
    monkeypatch.setattr("stt_audio.codecs.pcm.PcmDecoder.state", ())
    with_losses = await run(config, pieces, executor, lost_every=4)
    assert not np.array_equal(with_losses.samples, alone.samples)


async def test_a_rate_without_a_common_period_is_right_to_a_sample(executor: ThreadPoolExecutor) -> None:
    config = SessionConfig(encoding=Encoding.PCM_S16LE, sample_rate=44099)
    pieces = in_pieces(bare(Encoding.PCM_S16LE, 44099, 1), 30)
    alone = await run(config, pieces, executor)
    with_losses = await run(config, pieces, executor, lost_every=4)
    assert len(with_losses.samples) == pytest.approx(len(alone.samples), abs=1)


async def test_without_the_resamplers_past_samples_are_lost(
    executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SessionConfig(encoding=Encoding.PCM_S16LE, sample_rate=44100)
    pieces = in_pieces(bare(Encoding.PCM_S16LE, 44100, 1), 30)
    alone = await run(config, pieces, executor)
    monkeypatch.setattr("stt_audio.codecs.pcm.PcmDecoder.needed_bytes", 0)
    with_losses = await run(config, pieces, executor, lost_every=4)
    assert not np.array_equal(with_losses.samples, alone.samples)


async def test_without_its_head_a_stream_cannot_be_taken_up(executor: ThreadPoolExecutor) -> None:
    pieces = in_pieces(stream("webm", "libopus", duration_s=16.0, options=LIVE_WEBM), 48)
    decoder = live_decoder(SessionConfig(encoding=Encoding.WEBM), executor, LONG)
    for piece in pieces[:30]:
        await joined(decoder.feed(piece))
    checkpoint = decoder.checkpoint()
    await decoder.close()
    assert checkpoint is not None
    assert checkpoint.point.head
    offset = checkpoint.point.offset
    again = b"".join(pieces[:30])[offset:]
    headless = Checkpoint(Point(0, b"", checkpoint.point.lead), checkpoint.media, checkpoint.source_samples)
    successor = live_decoder(SessionConfig(encoding=Encoding.WEBM), executor, LONG, headless)
    with pytest.raises(SttError):
        await joined(successor.feed(again))
    await successor.close()


async def test_of_a_long_cluster_only_its_last_seconds_are_kept(executor: ThreadPoolExecutor) -> None:
    """A browser writes clusters of half a minute; a successor begins within one."""
    data = stream("webm", "libopus", duration_s=29.0, options=LIVE_WEBM)
    assert data.count(b"\x1f\x43\xb6\x75") == 1
    pieces = in_pieces(data, 100)
    with_losses = await run(SessionConfig(encoding=Encoding.WEBM), pieces, executor, lost_every=30)
    per_second = len(data) / 29
    assert max(with_losses.fed_again) < 10 * per_second


async def test_a_stream_without_points_can_be_taken_up_while_its_beginning_is_kept(
    executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = stream("wav", "adpcm_ms", 22050)
    monkeypatch.setattr(restart_points, "MAX_KEPT_BYTES", 60_000)
    decoder = live_decoder(SessionConfig(encoding=Encoding.WAV), executor, LONG)
    await joined(decoder.feed(data[:50_000]))
    assert decoder.checkpoint() is not None
    await joined(decoder.feed(data[50_000:70_000]))
    assert decoder.checkpoint() is None
    await decoder.close()


async def test_a_wav_knows_where_its_samples_end(executor: ThreadPoolExecutor) -> None:
    data = stream("wav", "pcm_s16le", 16000, duration_s=2.0) + b"LIST\xb8\x0b\0\0" + bytes(3000)
    alone = await run(SessionConfig(encoding=Encoding.WAV), in_pieces(data, 20), executor)
    assert len(alone.samples) == 32000
    for lost_every in (1, 19, 20, 21):
        with_losses = await run(
            SessionConfig(encoding=Encoding.WAV), in_pieces(data, 20), executor, lost_every=lost_every
        )
        assert np.array_equal(with_losses.samples, alone.samples)


@pytest.mark.parametrize("media", list(Media))
def test_rubbish_costs_neither_an_error_nor_memory(media: Media) -> None:
    magic = {Media.MATROSKA: b"\x1a\x45\xdf\xa3", Media.FLAC: b"fLaC\x80", Media.OGG: b"OggS"}.get(media, b"")
    magic = {Media.FLV: FLV_HEADER, Media.AMR: b"#!AMR-WB\n", Media.MPEGTS: b"G" * 2000}.get(media, magic)
    random = np.random.default_rng(1)
    for _ in range(20):
        follower = parser_for(media)
        follower.feed(magic)
        for _ in range(20):
            follower.feed(random.integers(0, 256, random.integers(1, 9000), dtype=np.uint8).tobytes())
            assert len(follower._pending) <= MAX_PART_BYTES
            assert len(follower._head) <= 2 * MAX_PART_BYTES


@pytest.mark.parametrize(
    "how",
    [pytest.param(row.values[1], id=row.id) for row in STREAMS if row.values[1]["container"] not in ("wav", "au")],
)
def test_starts_do_not_depend_on_the_pieces(how: dict) -> None:
    data = stream(**how)
    media = sniff(data)
    assert media is not None
    whole = parser_for(media).feed(data)
    follower = parser_for(media)
    single = [start for at in range(0, len(data), 997) for start in follower.feed(data[at : at + 997])]
    assert single == whole
    assert len(whole) >= 3


def test_frames_of_mpeg_audio_are_cut_at_once() -> None:
    data = stream("mp3", "libmp3lame", 16000, duration_s=3.0, bit_rate=24000)
    framer = MpegFramer()
    frames = framer.feed(b"ID3\x04\x00\x00\x00\x00\x00\x7f" + bytes(127) + b"\xff\xfb junk" + data)
    assert b"".join(frames) in data
    assert len(frames) * 576 / 16000 == pytest.approx(3.0, abs=0.15)
    assert framer.feed(data[: len(frames[0]) // 2]) == []


def test_junk_is_no_mpeg_audio() -> None:
    framer = MpegFramer()
    with pytest.raises(SttError, match="no frame of MPEG audio"):
        list(map(framer.feed, [bytes(5000)] * 30))
    with pytest.raises(SttError, match="no frame of MPEG audio"):
        MpegFramer().finish()
