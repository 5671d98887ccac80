"""Several recordings in one live stream: each is decoded, whoever decodes it and however the stream is cut."""

import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.live_decoding import FRAGMENTS, LIVE_WEBM, LONG, in_pieces, joined, run, stream, voice

from stt_audio.live.decoder import live_decoder
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding, SessionConfig

pytestmark = pytest.mark.unit

AAC = {"codec": "aac", "rate": 44100, "codec_options": {"aac_pns": "0"}}
KINDS = [
    pytest.param({"container": "wav", "codec": "pcm_s16le", "rate": 16000}, id="wav 16k"),
    pytest.param({"container": "wav", "codec": "pcm_s16le", "rate": 44100, "layout": "stereo"}, id="wav 44k"),
    pytest.param({"container": "webm", "codec": "libopus"}, id="webm"),
    pytest.param({"container": "webm", "codec": "libopus", "options": LIVE_WEBM}, id="webm live"),
    pytest.param({"container": "ogg", "codec": "libopus"}, id="ogg opus"),
    pytest.param({"container": "ogg", "codec": "flac", "rate": 44100}, id="ogg flac"),
    pytest.param({"container": "flac", "codec": "flac", "rate": 16000}, id="flac"),
    pytest.param({"container": "mp3", "codec": "libmp3lame", "rate": 44100}, id="mp3"),
    pytest.param({"container": "adts", **AAC}, id="adts"),
    pytest.param({"container": "mp4", **AAC, "options": FRAGMENTS}, id="fragmented mp4"),
    pytest.param({"container": "mp4", **AAC, "options": {"moov_size": "4000"}}, id="mp4 with its index first"),
]
INDEX_LAST = {"container": "mp4", **AAC}
CUTS = ["a message each", "joined", "split"]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def cut(files: list[bytes], how: str) -> list[bytes]:
    return {"a message each": files, "joined": [b"".join(files)], "split": in_pieces(b"".join(files), 41)}[how]


def fill(samples: np.ndarray) -> float:
    """Share of blocks of 50 ms that are not silent."""
    blocks = samples[: len(samples) // 800 * 800].reshape(-1, 800)
    return float(np.mean(np.abs(blocks).max(axis=1) > 100))


@pytest.mark.parametrize("how", CUTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_in_each_message_is_heard_to_the_end(kind: dict, how: str, executor: ThreadPoolExecutor) -> None:
    files = [stream(**kind, duration_s=1.0)] * 4
    config = SessionConfig(encoding=Encoding.AUTO)
    alone = await run(config, cut(files, how), executor)
    assert len(alone.samples) == pytest.approx(4 * 16000, abs=4 * 2000)
    if how == "split":
        with_losses = await run(config, cut(files, how), executor, lost_every=3)
        assert np.array_equal(with_losses.samples, alone.samples)


@pytest.mark.parametrize("how", ["a message each", "joined"])
async def test_an_mp4_with_its_index_last_is_heard_if_it_comes_in_one_message(
    how: str, executor: ThreadPoolExecutor
) -> None:
    pieces = cut([stream(**INDEX_LAST, duration_s=1.0)] * 3, how)
    alone = await run(SessionConfig(encoding=Encoding.AUTO), pieces, executor)
    assert len(alone.samples) == pytest.approx(3 * 16000, abs=3 * 2000)
    with_losses = await run(SessionConfig(encoding=Encoding.AUTO), pieces, executor, lost_every=1)
    assert np.array_equal(with_losses.samples, alone.samples)


async def test_an_mp4_with_its_index_last_is_refused_at_once_if_it_comes_in_pieces(
    executor: ThreadPoolExecutor,
) -> None:
    pieces = in_pieces(stream(**INDEX_LAST, duration_s=10.0), 40)
    decoder = live_decoder(SessionConfig(encoding=Encoding.AUTO), executor, LONG)
    with pytest.raises(SttError, match=r"frag_keyframe\+empty_moov") as caught:
        await joined(decoder.feed(pieces[0]))
    await decoder.close()
    assert caught.value.code == "bad_audio"


CHAINS = [
    pytest.param(
        Encoding.OGG,
        {"container": "ogg", "codec": "libopus"},
        {"container": "ogg", "codec": "vorbis", "rate": 44100, "layout": "stereo", "codec_options": {"strict": "-2"}},
        id="ogg opus to vorbis",
    ),
    pytest.param(
        Encoding.FLAC,
        {"container": "flac", "codec": "flac", "rate": 16000},
        {"container": "flac", "codec": "flac", "rate": 44100},
        id="flac 16 to 44.1 kHz",
    ),
    pytest.param(
        Encoding.MP3,
        {"container": "mp3", "codec": "libmp3lame", "rate": 44100},
        {"container": "mp3", "codec": "libmp3lame", "rate": 22050},
        id="mp3 44.1 to 22.05 kHz",
    ),
    pytest.param(
        Encoding.AAC,
        {"container": "adts", "codec": "aac", "rate": 48000, "codec_options": {"aac_pns": "0"}},
        {"container": "adts", "codec": "aac", "rate": 24000, "layout": "stereo", "codec_options": {"aac_pns": "0"}},
        id="adts 48 to 24 kHz",
    ),
    pytest.param(
        Encoding.AUTO,
        {"container": "wav", "codec": "pcm_s16le", "rate": 16000},
        {"container": "wav", "codec": "pcm_mulaw", "rate": 8000},
        id="wav to wav of another format",
    ),
    pytest.param(
        Encoding.AUTO,
        {"container": "wav", "codec": "pcm_s16le", "rate": 16000},
        {"container": "wav", "codec": "adpcm_ms", "rate": 22050},
        id="wav to adpcm",
    ),
]


@pytest.mark.parametrize(("encoding", "first", "second"), CHAINS)
async def test_a_stream_may_change_its_format(
    encoding: Encoding, first: dict, second: dict, executor: ThreadPoolExecutor
) -> None:
    pieces = in_pieces(stream(**first, duration_s=3.0) + stream(**second, duration_s=4.0), 60)
    alone = await run(SessionConfig(encoding=encoding), pieces, executor)
    assert len(alone.samples) == pytest.approx(7 * 16000, abs=3000)
    with_losses = await run(SessionConfig(encoding=encoding), pieces, executor, lost_every=4)
    assert np.array_equal(with_losses.samples, alone.samples)


def wav(pcm: bytes, stated_bytes: int | None = None, rate: int = 16000, after: bytes = b"") -> bytes:
    stated = len(pcm) if stated_bytes is None else stated_bytes
    fmt = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", min(36 + stated, 0xFFFFFFFF))
        + b"WAVEfmt "
        + fmt
        + b"data"
        + struct.pack("<I", stated)
        + pcm
        + after
    )


def pcm16(duration_s: float, rate: int = 16000) -> bytes:
    return (voice(duration_s, rate) * 32767).astype("<i2").tobytes()


STATED = [
    pytest.param(32000, id="one second"),
    pytest.param(2, id="one sample"),
    pytest.param(31999, id="half a sample less"),
    pytest.param(0, id="nothing"),
    pytest.param(0xFFFFFFFF, id="unknown"),
    pytest.param(0x7FFFFFFF, id="far too much"),
]


@pytest.mark.parametrize("lost_every", [0, 1, 7])
@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("stated", STATED)
async def test_samples_beyond_the_stated_length_are_heard(
    stated: int, rate: int, lost_every: int, executor: ThreadPoolExecutor
) -> None:
    """Writers that patch the header later state too little at first."""
    pcm = pcm16(4.0, rate)
    config = SessionConfig(encoding=Encoding.WAV)
    result = await run(config, in_pieces(wav(pcm, stated, rate), 40), executor, lost_every=lost_every)
    alone = await run(SessionConfig(sample_rate=rate), [pcm], executor)
    assert np.array_equal(result.samples, alone.samples)


@pytest.mark.parametrize("stated", [param for param in STATED if param.id != "half a sample less"])
async def test_a_header_in_each_message_is_no_sound_whatever_it_states(
    stated: int, executor: ThreadPoolExecutor
) -> None:
    seconds = [pcm16(1.0)] * 3
    for pieces in ([wav(pcm, stated) for pcm in seconds], in_pieces(b"".join(wav(pcm, stated) for pcm in seconds), 47)):
        result = await run(SessionConfig(encoding=Encoding.AUTO), pieces, executor, lost_every=2)
        assert np.array_equal(result.samples, np.frombuffer(b"".join(seconds), "<i2"))


async def test_chunks_after_the_samples_are_no_sound(executor: ThreadPoolExecutor) -> None:
    chunk = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf58.29.100\0"
    pcm = pcm16(1.0)
    for samples, padding in ((pcm, b""), (pcm[:-1], b"\0"), (pcm[:-1], b"")):
        files = [wav(samples, after=padding + chunk)] * 3
        for pieces in (files, in_pieces(b"".join(files), 29)):
            result = await run(SessionConfig(encoding=Encoding.WAV), pieces, executor, lost_every=2)
            whole = samples[: len(samples) // 2 * 2]
            assert np.array_equal(result.samples, np.frombuffer(whole * 3, "<i2"))


async def test_a_second_chunk_of_samples_is_heard(executor: ThreadPoolExecutor) -> None:
    pcm = pcm16(2.0)
    data = wav(pcm[:32000], after=b"JUNK\x04\0\0\0aaaa" + b"data" + struct.pack("<I", 32000) + pcm[32000:])
    result = await run(SessionConfig(encoding=Encoding.WAV), in_pieces(data, 31), executor, lost_every=1)
    assert np.array_equal(result.samples, np.frombuffer(pcm, "<i2"))


async def test_recordings_without_audio_are_bounded(executor: ThreadPoolExecutor) -> None:
    decoder = live_decoder(SessionConfig(encoding=Encoding.WAV), executor, LONG)
    with pytest.raises(SttError, match="hold no audio") as caught:
        await joined(decoder.feed(wav(b"") * 1000))
    assert caught.value.code == "bad_audio"
    await decoder.close()


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(lambda: stream("ogg", "libopus", duration_s=1.0), id="ogg"),
        pytest.param(lambda: wav(pcm16(1.0)), id="wav"),
        pytest.param(lambda: wav(pcm16(1.0, 44100), rate=44100), id="wav 44k"),
        pytest.param(lambda: stream(**INDEX_LAST, duration_s=1.0), id="whole mp4"),
    ],
)
@pytest.mark.parametrize("done_s", [0, 1])
async def test_the_length_of_all_recordings_together_is_bounded(
    second: Callable[[], bytes], done_s: int, executor: ThreadPoolExecutor
) -> None:
    """Those that another replica has decoded count too, and the message names the limit, not what was left of it."""
    decoder = live_decoder(SessionConfig(encoding=Encoding.AUTO), executor, 40_000, None, 16_000 * done_s)
    with pytest.raises(SttError, match=r"longer than the 2\.5 s that are allowed") as caught:
        await joined(decoder.feed(second() * (3 - done_s)))
    assert caught.value.code == "too_large"
    await decoder.close()


async def test_what_follows_a_recording_and_is_none_is_reported(executor: ThreadPoolExecutor) -> None:
    for first in (stream("ogg", "libopus", duration_s=1.0), stream("webm", "libopus", duration_s=1.0)):
        decoder = live_decoder(SessionConfig(encoding=Encoding.AUTO), executor, LONG)
        assert len(await joined(decoder.feed(first))) > 20_000
        with pytest.raises(SttError) as caught:
            await joined(decoder.feed(pcm16(4.0)))
        assert caught.value.code == "bad_audio"
        await decoder.close()
