"""Files as phones, cameras, recorders, calls, discs and careless programs write them: one recording in many forms.

``ROWS`` is the table. Each row makes a file from any recording, and says at which times the recording is heard in it;
add a row for each new kind of file. ``tests/unit/audio/test_odd_files.py`` decodes all of them, and
``tests/e2e/test_odd_files.py`` transcribes some, and all of ``NOISY``, in which noise is heard until somebody speaks.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from support.encoders import encoded, encoded_channels, resampled

Samples = NDArray[np.float32]
"""float32 [n], 16 kHz mono."""
ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x0f" + b"TIT2\x00\x00\x00\x05\x00\x00\x03talk"
APE_TAG = b"APETAGEX" + struct.pack("<IIII", 2000, 18, 1, 0xA0000000) + bytes(8) + b"\4\0\0\0\0\0\0\0Title\0talk"


@dataclass(frozen=True)
class OddFile:
    """One kind of file. ``starts_s``: where in it the recording begins, once for each time that it is heard.

    ``live``: the same bytes are heard as a live stream with ``encoding=auto``. ``transcribed``: among those that go
    through the whole suite.
    """

    name: str
    make: Callable[[Samples], bytes]
    starts_s: tuple[float, ...] = (0.0,)
    live: bool = False
    transcribed: bool = False


def _in(
    container: str, codec: str, rate: int = 48000, *, bit_rate: int = 0, layout: str = "mono", **options: str
) -> Callable[[Samples], bytes]:
    return lambda samples: encoded(samples, container, codec, rate, layout, bit_rate=bit_rate, options=options)


def _after(junk: bytes, make: Callable[[Samples], bytes]) -> Callable[[Samples], bytes]:
    return lambda samples: junk + make(samples)


def _halves(first: Callable[[Samples], bytes], second: Callable[[Samples], bytes]) -> Callable[[Samples], bytes]:
    """The first half in one file and the second in another, put together as ``cat`` does."""
    return lambda samples: first(samples[: len(samples) // 2]) + second(samples[len(samples) // 2 :])


def _wav(
    *,
    magic: bytes = b"RIFF",
    bits: int = 16,
    block: int | None = None,
    tag: int = 1,
    data_size: int | None = None,
    before: bytes = b"",
    extra: bytes = b"",
    rate: int = 16000,
) -> Callable[[Samples], bytes]:
    """A WAV file with any header; ``block``: size of a sample, by which it is also padded to the left."""

    def make(samples: Samples) -> bytes:
        order = ">" if magic == b"RIFX" else "<"
        width = block if block in (3, 4) and bits in (20, 24) else -(-bits // 8)
        data = _integers(resampled(samples, rate), width, order)
        size = width if block is None else block
        fmt = struct.pack(order + "HHIIHH", tag, 1, rate, rate * size, size, bits) + extra
        return (
            magic + struct.pack(order + "I", 36 + len(data)) + b"WAVE" + before
            + _chunk(b"fmt ", fmt, order) + _chunk(b"data", data, order, data_size)
        )  # fmt: skip

    return make


def _chunk(name: bytes, content: bytes, order: str = "<", size: int | None = None) -> bytes:
    return name + struct.pack(order + "I", len(content) if size is None else size) + content


def _integers(samples: NDArray[np.int16], width: int, order: str) -> bytes:
    """int16 [n] -> bare samples of ``width`` bytes."""
    if width == 1:
        return ((samples >> 8) + 128).astype(np.uint8).tobytes()
    wide = (samples.astype("<i4") << 16).view(np.uint8).reshape(-1, 4)[:, 4 - width :]
    return (wide if order == "<" else wide[:, ::-1]).tobytes()


def _pcm(samples: Samples) -> bytes:
    return resampled(samples, 16000).tobytes()


_FMT = _chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16))
_EXTENSIBLE = struct.pack("<HHIH", 22, 24, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")


def _fmt_after_data(samples: Samples) -> bytes:
    return b"RIFF" + struct.pack("<I", 36 + 2 * len(samples)) + b"WAVE" + _chunk(b"data", _pcm(samples)) + _FMT


def _two_data_chunks(samples: Samples) -> bytes:
    pcm = _pcm(samples)
    half = len(pcm) // 4 * 2
    chunks = _FMT + _chunk(b"data", pcm[:half]) + _chunk(b"LIST", b"INFO") + _chunk(b"data", pcm[half:])
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def _large(magic: bytes) -> Callable[[Samples], bytes]:
    def make(samples: Samples) -> bytes:
        pcm = _pcm(samples)
        ds64 = _chunk(b"ds64", struct.pack("<QQQI", len(pcm) + 72, len(pcm), 0, 0))
        return (
            magic + b"\xff\xff\xff\xffWAVE" + ds64 + _FMT + _chunk(b"data", pcm, size=0xFFFFFFFF) + b"LIST\4\0\0\0INFO"
        )

    return make


def _floats(gain_db: float) -> Callable[[Samples], bytes]:
    """A WAV file of 32-bit floats with this peak, in dB of full scale."""

    def make(samples: Samples) -> bytes:
        data = (samples / np.abs(samples).max() * 10 ** (gain_db / 20)).astype("<f4").tobytes()
        fmt = _chunk(b"fmt ", struct.pack("<HHIIHH", 3, 1, 16000, 64000, 4, 32))
        return b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVE" + fmt + _chunk(b"data", data)

    return make


def _stereo(right: Callable[[Samples], NDArray[np.floating]], container: str, codec: str) -> Callable[[Samples], bytes]:
    """The recording on the left, with a peak of a tenth of full scale, and what ``right`` makes of that."""

    def make(samples: Samples) -> bytes:
        left = samples / np.abs(samples).max() * np.float32(0.1)
        return encoded_channels(np.stack([left, right(left).astype(np.float32)], 1), container, codec, "stereo")

    return make


def _hum(samples: Samples) -> NDArray[np.floating]:
    return 0.8 * np.sin(2 * np.pi * 200 * np.arange(len(samples)) / 16000)


def _hiss(samples: Samples) -> NDArray[np.floating]:
    return np.random.default_rng(1).normal(0, 0.2, len(samples)).clip(-1, 1)


def _dialogue(samples: Samples) -> bytes:
    """A film: dialogue in the centre, softer music on the left and right and behind."""
    at = np.arange(len(samples)) / 16000
    music = [0.02 * (np.sin(2 * np.pi * hz * at) + np.sin(3 * np.pi * hz * at)) for hz in (220, 262, 330, 392)]
    channels = np.stack([music[0], music[1], samples, 0 * at, music[2], music[3]], 1).astype(np.float32)
    return encoded_channels(channels, "matroska", "flac", "5.1")


def _sphere(samples: Samples) -> bytes:
    fields = f"channel_count -i 1\nsample_count -i {len(samples)}\nsample_rate -i 16000\nsample_n_bytes -i 2\n"
    fields += "sample_byte_format -s2 01\nsample_sig_bits -i 16\nsample_coding -s3 pcm\nend_head\n"
    return f"NIST_1A\n   1024\n{fields}".ljust(1024, "\n").encode() + _pcm(samples)


def _cut(at: int, make: Callable[[Samples], bytes]) -> Callable[[Samples], bytes]:
    """The file without its first bytes, as a radio stream that somebody tunes in to."""
    return lambda samples: make(samples)[at:]


_MP3 = _in("mp3", "libmp3lame", 44100, id3v2_version="0", write_xing="0")
_ADTS = _in("adts", "aac", 44100)
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}
_M4A = _in("mp4", "aac", 44100)
_MKV = _in("matroska", "aac")
_FLV = _in("flv", "aac", 44100)

_CONTAINERS = (
    OddFile("phone, 3GP with AMR", _in("3gp", "libopencore_amrnb", 8000, bit_rate=12200)),
    OddFile("phone, AMR", _in("amr", "libopencore_amrnb", 8000, bit_rate=12200), live=True),
    OddFile("phone, 3GP with AAC", _in("3gp", "aac", 16000)),
    OddFile("phone, M4A with ALAC", _in("ipod", "alac")),
    OddFile("phone, CAF with ADPCM", _in("caf", "adpcm_ima_qt", 22050)),
    OddFile("camera, MTS with AC-3", _in("mpegts", "ac3", mpegts_m2ts_mode="1"), transcribed=True),
    OddFile("camera, MXF", _in("mxf_opatom", "pcm_s16le")),
    OddFile("camera, MOV with PCM", _in("mov", "pcm_s16be")),
    OddFile("camera, AVI with PCM", _in("avi", "pcm_s16le")),
    OddFile("camera, AVI with ADPCM", _in("avi", "adpcm_ima_wav", 22050)),
    OddFile("film, AVI with MP3", _in("avi", "libmp3lame"), transcribed=True),
    OddFile("film, AVI with AC-3", _in("avi", "ac3")),
    OddFile("film, MP4 with AC-3", _in("mp4", "ac3")),
    OddFile("film, MP4 with E-AC-3", _in("mp4", "eac3")),
    OddFile("film, MP4 with MP3", _in("mp4", "libmp3lame")),
    OddFile("film, MKV with PCM", _in("matroska", "pcm_s24le")),
    OddFile("disc, VOB with AC-3", _in("vob", "ac3")),
    OddFile("disc, VOB with PCM", _in("vob", "pcm_dvd"), transcribed=True),
    OddFile("disc, M2TS with PCM", _in("mpegts", "pcm_bluray", mpegts_m2ts_mode="1")),
    OddFile("television, TS with AAC", _in("mpegts", "aac"), live=True, transcribed=True),
    OddFile("television, TS with MP2", _in("mpegts", "mp2"), live=True),
    OddFile("television, TS with LATM", _in("mpegts", "aac", mpegts_flags="latm")),
    OddFile("television, TS with Opus", _in("mpegts", "libopus"), live=True),
    OddFile("television, LATM", _in("latm", "aac")),
    OddFile("television, MPG with MP2", _in("mpeg", "mp2"), transcribed=True),
    OddFile("stream, FLV with AAC", _in("flv", "aac", 44100), live=True, transcribed=True),
    OddFile("stream, FLV with MP3", _in("flv", "libmp3lame", 44100), live=True),
    OddFile("stream, FLV with Nellymoser", _in("flv", "nellymoser", 22050)),
    OddFile("stream, FLV with ADPCM", _in("flv", "adpcm_swf", 22050), live=True),
    OddFile("browser, MP4 with Opus", _in("mp4", "libopus")),
    OddFile("browser, MP4 with FLAC", _in("mp4", "flac")),
    OddFile("browser, WebM", _in("webm", "libopus", live="1"), live=True),
    OddFile("call, WAV with G.722", _in("wav", "g722", 16000), transcribed=True),
    OddFile("call, WAV with G.726", _in("wav", "g726", 8000, bit_rate=32000)),
    OddFile("call, WAV with G.723.1", _in("wav", "g723_1", 8000, bit_rate=6300)),
    OddFile("call, AU with mu-law", _in("au", "pcm_mulaw", 8000), live=True),
    OddFile("recorder, WAV with Yamaha ADPCM", _in("wav", "adpcm_yamaha", 16000)),
    OddFile("recorder, WAV with IMA ADPCM", _in("wav", "adpcm_ima_wav", 16000)),
    OddFile("recorder, SPHERE", _sphere),
    OddFile("recorder, VOC", _in("voc", "pcm_u8", 16000)),
    OddFile("recorder, WavPack", _in("wv", "wavpack"), transcribed=True),
    OddFile("recorder, TTA", _in("tta", "tta")),
    OddFile("recorder, Wave64", _in("w64", "pcm_s16le")),
    OddFile("recorder, AIFF-C with A-law", _in("aiff", "pcm_alaw", 8000)),
    OddFile("music, MKA with TTA", _in("matroska", "tta")),
    OddFile("music, MKA with WavPack", _in("matroska", "wavpack")),
    OddFile("music, MKA with ALAC", _in("matroska", "alac")),
    OddFile("music, Ogg with FLAC", _in("ogg", "flac"), live=True),
    OddFile("music, WMA", _in("asf", "wmav2", 44100, bit_rate=64000)),
)
_RATES = (
    OddFile("AAC at 7350 Hz", _in("adts", "aac", 7350), live=True),
    OddFile("WAV at 4 kHz", _in("wav", "pcm_s16le", 4000), live=True),
    OddFile("WAV at 384 kHz", _in("wav", "pcm_s24le", 384_000), live=True),
    OddFile("FLAC at 384 kHz", _in("flac", "flac", 384_000), live=True),
)
_JUNK = (
    OddFile("ID3 before FLAC", _after(ID3, _in("flac", "flac")), live=True, transcribed=True),
    OddFile("ID3 before ADTS", _after(ID3, _ADTS), live=True, transcribed=True),
    OddFile("ID3 before WAV", _after(ID3, _wav()), live=True),
    OddFile("ID3 before MP4", _after(ID3, _M4A)),
    OddFile("ID3 twice before MP3", _after(ID3 + ID3, _MP3), live=True),
    OddFile("ID3 and padding before MP3", _after(ID3 + bytes(2000), _MP3), live=True),
    OddFile("APE tag before MP3", _after(APE_TAG, _MP3), live=True),
    OddFile("zeros before MP3", _after(bytes(512), _MP3), live=True, transcribed=True),
    OddFile("zeros before ADTS", _after(bytes(5000), _ADTS), live=True),
    OddFile("many zeros before MP4", _after(bytes(300_000), _M4A)),
    OddFile("MKV with tags in Latin-1", lambda samples: _MKV(samples).replace(b"Lavf", b"\xe9avf")),
    OddFile("MP4 with tags in Latin-1", lambda samples: _M4A(samples).replace(b"Lavf", b"\xe9avf")),
    OddFile("FLV with tags in Latin-1", lambda samples: _FLV(samples).replace(b"Lavf", b"\xe9avf")),
    OddFile("MP3 from the middle of a frame", _cut(777, _MP3), live=True, transcribed=True),
    OddFile("ADTS from the middle of a frame", _cut(200, _ADTS), live=True),
    OddFile("TS from the middle of a packet", _cut(100, _in("mpegts", "aac")), live=True),
    OddFile("byte order mark before WAV", _after(b"\xef\xbb\xbf", _wav()), live=True),
    OddFile("chunk length of HTTP before WAV", _after(b"1f40\r\n", _wav()), live=True),
    OddFile("head of HTTP before Ogg", _after(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", _in("ogg", "libopus")), live=True),
)
_WAV_HEADERS = (
    OddFile("WAV with 20 bits", _wav(bits=20)),
    OddFile("WAV with 24 bits in 32", _wav(bits=24, block=4), live=True, transcribed=True),
    OddFile("WAV with a wrong block size", _wav(block=4), live=True),
    OddFile("WAV, extensible", _wav(tag=0xFFFE, bits=24, extra=_EXTENSIBLE), live=True),
    OddFile("WAV, big-endian", _wav(magic=b"RIFX"), live=True, transcribed=True),
    OddFile("WAV, big-endian, 24 bits", _wav(magic=b"RIFX", bits=24), live=True),
    OddFile("WAV of 8 bits", _wav(bits=8), live=True),
    OddFile("WAV of size 0", _wav(data_size=0), live=True),
    OddFile("WAV of size 2", _wav(data_size=2), transcribed=True),
    OddFile("WAV of size 32000", _wav(data_size=32000)),
    OddFile("WAV of unknown size", _wav(data_size=0xFFFFFFFF), live=True),
    OddFile("WAV larger than the file", _wav(data_size=1 << 30), live=True),
    OddFile("WAV with an odd chunk, padded", _wav(before=b"LIST\5\0\0\0INFOx\0"), live=True),
    OddFile("WAV with an odd chunk, not padded", _wav(before=b"LIST\5\0\0\0INFOx"), live=True),
    OddFile("WAV with its format after its samples", _fmt_after_data, live=True),
    OddFile("WAV with two chunks of samples", _two_data_chunks, transcribed=True),
    OddFile("WAV, RF64", _large(b"RF64"), live=True),
    OddFile("WAV, BW64", _large(b"BW64"), live=True),
)
_TOGETHER = (
    OddFile("WAV and WAV", _halves(_wav(), _wav()), transcribed=True),
    OddFile("WAV and WAV of another format", _halves(_wav(), _wav(rate=48000, bits=24))),
    OddFile("WAV of unknown size and WAV", _halves(_wav(data_size=0), _wav())),
    OddFile("M4A and M4A", _halves(_M4A, _M4A), transcribed=True),
    OddFile("fragmented MP4 twice", _halves(*[_in("mp4", "aac", 44100, **_FRAGMENTS)] * 2)),
    OddFile("WebM and WebM", _halves(*[_in("webm", "libopus", live="1")] * 2), transcribed=True),
    OddFile("MKV and MKV", _halves(_in("matroska", "aac"), _in("matroska", "flac"))),
    OddFile("FLAC and FLAC of another rate", _halves(_in("flac", "flac", 16000), _in("flac", "flac", 44100))),
    OddFile("Opus and FLAC in Ogg", _halves(_in("ogg", "libopus"), _in("ogg", "flac", layout="stereo"))),
    OddFile("MP3 and MP3 of another rate", _halves(_MP3, _in("mp3", "libmp3lame", 22050))),
    OddFile("AMR and AMR", _halves(*[_in("amr", "libopencore_amrnb", 8000, bit_rate=12200)] * 2), live=True),
    OddFile("AIFF and AIFF", _halves(*[_in("aiff", "pcm_s16be")] * 2)),
    OddFile("AU and AU of another format", _halves(_in("au", "pcm_s16be"), _in("au", "pcm_mulaw", 8000))),
    OddFile("ADTS and ADTS of another rate", _halves(_ADTS, _in("adts", "aac", 22050))),
    OddFile("TS and TS", _halves(*[_in("mpegts", "aac")] * 2), live=True),
    OddFile(
        "FLV and FLV of another codec", _halves(_in("flv", "aac", 44100), _in("flv", "libmp3lame", 44100)), live=True
    ),
    OddFile("AVI and AVI of another codec", _halves(_in("avi", "libmp3lame"), _in("avi", "pcm_s16le"))),
    OddFile("MP3 and WAV", _halves(_MP3, _wav())),
    OddFile("WAV and MP3", _halves(_wav(), _MP3)),
    OddFile("FLAC and Ogg", _halves(_in("flac", "flac"), _in("ogg", "libopus"))),
    OddFile("WAV and M4A", _halves(_wav(), _M4A)),
    OddFile("M4A and MP3", _halves(_M4A, _MP3)),
)
_CHANNELS_AND_LEVELS = (
    OddFile("stereo in opposite phase", _stereo(lambda left: -left, "flac", "flac"), live=True, transcribed=True),
    OddFile("stereo nearly in opposite phase", _stereo(lambda left: -0.9 * left, "wav", "pcm_s16le"), live=True),
    OddFile("stereo in opposite phase, AAC", _stereo(lambda left: -left, "mp4", "aac")),
    OddFile("film in 5.1", _dialogue, transcribed=True),
    OddFile("floats of +12 dB", _floats(12), live=True),
    OddFile("floats of +20 dB", _floats(20), live=True, transcribed=True),
    OddFile("floats of -55 dB", _floats(-55)),
    OddFile("floats of -60 dB", _floats(-60), transcribed=True),
    OddFile("floats of the range of integers", _floats(90), live=True),
)
NOISY = (
    OddFile("hum on one channel", _stereo(_hum, "flac", "flac"), live=True, transcribed=True),
    OddFile("hiss on one channel", _stereo(_hiss, "flac", "flac"), live=True, transcribed=True),
)
ROWS = (*_CONTAINERS, *_CHANNELS_AND_LEVELS, *_RATES, *_JUNK, *_WAV_HEADERS, *_TOGETHER)
