"""Samples of another format than announced are refused with the remedy; samples of the announced one never are."""

import base64
from fractions import Fraction

import av
import numpy as np
import pytest
from support.live_decoding import voice
from support.recordings import SpeechMissing, beckett

from stt_audio.codecs.byte_window import WINDOW_BYTES
from stt_audio.codecs.pcm import SampleFormat
from stt_audio.codecs.sample_check import MAX_WINDOWS, SampleCheck
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

S16, F32, MULAW, ALAW = SampleFormat.S16LE, SampleFormat.F32LE, SampleFormat.MULAW, SampleFormat.ALAW
BASE64 = base64.b64encode(np.random.default_rng(0).normal(0, 1000, 20_000).astype("<i2").tobytes())


def g711(samples: np.ndarray, name: str) -> bytes:
    codec = av.CodecContext.create(f"pcm_{name}", "w")
    codec.sample_rate, codec.layout, codec.format, codec.time_base = 8000, "mono", "s16", Fraction(1, 8000)
    frame = av.AudioFrame.from_ndarray(int16(samples)[None, :], "s16", "mono")
    frame.sample_rate = 8000
    return b"".join(bytes(packet) for part in (frame, None) for packet in codec.encode(part))


def int16(samples: np.ndarray) -> np.ndarray:
    return np.rint(samples * 32767).clip(-32768, 32767).astype("<i2")


def int32(samples: np.ndarray) -> np.ndarray:
    return (samples.astype(np.float64) * 2147483647 * 0.99).astype("<i4")


FORMATS = {
    "pcm_s16le": lambda x: int16(x).tobytes(),
    "pcm_s16be": lambda x: int16(x).astype(">i2").tobytes(),
    "pcm_f32le": lambda x: x.astype("<f4").tobytes(),
    "pcm_f32be": lambda x: x.astype(">f4").tobytes(),
    "pcm_f64le": lambda x: x.astype("<f8").tobytes(),
    "pcm_s24le": lambda x: int32(x).view(np.uint8).reshape(-1, 4)[:, 1:].tobytes(),
    "pcm_s32le": lambda x: int32(x).tobytes(),
    "mulaw": lambda x: g711(x, "mulaw"),
    "alaw": lambda x: g711(x, "alaw"),
    "pcm_u8": lambda x: (np.rint(x * 127) + 128).astype(np.uint8).tobytes(),
}
LOOKS_LIKE = {
    "pcm_s16le": "look like 16-bit integers; connect with encoding=pcm_s16le",
    "pcm_s16be": "look like big-endian 16-bit integers; send them little-endian",
    "pcm_f32le": "look like 32-bit floats; connect with encoding=pcm_f32le",
    "pcm_f32be": "look like big-endian 32-bit floats; send them little-endian",
    "pcm_f64le": "look like 64-bit floats; send 32-bit floats",
    "pcm_s24le": "look like 24-bit integers; send 16-bit integers",
    "pcm_s32le": "look like 32-bit integers; send 16-bit integers",
    "mulaw": "look like mu-law; connect with encoding=mulaw",
    "alaw": "look like A-law; connect with encoding=alaw",
    "pcm_u8": "look like unsigned 8-bit integers; send 16-bit integers",
}


def refusal(announced: SampleFormat, data: bytes, channels: int = 1) -> tuple[str, int]:
    """What the check says, and after how many bytes; ('', 0) for nothing."""
    check = SampleCheck(announced, channels)
    at = 0
    try:
        for at in range(0, len(data), 1000):
            check.feed(data[at : at + 1000])
    except SttError as error:
        return f"{error.code}: {error.message}", at + 1000
    return "", 0


def speech() -> np.ndarray:
    try:
        return beckett()
    except SpeechMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(
    ("announced", "sent"),
    [(S16, sent) for sent in FORMATS if sent != "pcm_s16le"]
    + [(F32, sent) for sent in ("pcm_s16le", "pcm_s16be", "pcm_f32be", "pcm_f64le", "pcm_s24le")]
    + [(MULAW, sent) for sent in ("pcm_s16le", "pcm_s16be", "pcm_f32le", "pcm_s24le", "pcm_s32le")]
    + [(ALAW, sent) for sent in ("pcm_s16le", "pcm_s16be", "pcm_f32le", "pcm_s24le", "pcm_s32le")],
)
def test_another_format_is_named_within_two_seconds(announced: SampleFormat, sent: str) -> None:
    for samples in (voice(3.0, 16000), speech()):
        data = FORMATS[sent](samples)
        message, n_bytes = refusal(announced, data)
        assert message.startswith(f"bad_audio: {announced} was announced, but the samples {LOOKS_LIKE[sent]}")
        assert n_bytes / len(data) * len(samples) / 16000 < 2.0


@pytest.mark.parametrize("level", [1.0, 0.1, 0.05])
@pytest.mark.parametrize("sent", ["mulaw", "alaw"])
def test_the_two_laws_are_told_apart_at_any_level(sent: str, level: float) -> None:
    """A fixed bug: quiet mu-law was named A-law, and the other way round."""
    for samples in (voice(3.0, 16000), speech()):
        message, _ = refusal(S16, FORMATS[sent](samples * level))
        assert LOOKS_LIKE[sent] in message


@pytest.mark.parametrize("announced", [S16, F32, MULAW, ALAW])
def test_base64_is_no_audio(announced: SampleFormat) -> None:
    for text in (
        BASE64,
        b"data:audio/wav;base64," + BASE64,
        b"\r\n".join(BASE64[at : at + 76] for at in range(0, 20_000, 76)),
    ):
        message, n_bytes = refusal(announced, text)
        assert "look like base64" in message
        assert n_bytes < 10_000


def sounds(rate: int) -> dict[str, np.ndarray]:
    """float64 [n]: what microphones, phones, synthesisers and broken devices send."""
    moments, random = np.arange(2 * rate) / rate, np.random.default_rng(0)
    square = np.sign(np.sin(2 * np.pi * 301 * moments))
    hum = voice(2.0, rate).astype(np.float64)
    return {
        "voice": hum,
        "speech": speech()[: 2 * rate].astype(np.float64),
        "silence": np.zeros(2 * rate),
        "white noise": random.uniform(-1, 1, 2 * rate),
        "hiss": random.normal(0, 0.02, 2 * rate),
        "a high tone": 0.9 * np.sin(2 * np.pi * 0.49 * rate * moments),
        "a low tone": 0.9 * np.sin(2 * np.pi * 50 * moments),
        "clipped": (hum * 20).clip(-1, 1),
        **{f"square {level}": square * level / 32768 for level in (100, 13000, 16000, 16300, 20000, 32767)},
        "noisy square": square * 0.5 + random.normal(0, 0.005, 2 * rate),
        "offset": 0.43 + hum * 0.05,
        **{
            f"slow {offset}": offset + 0.03 * np.sin(2 * np.pi * 20 * moments) + hum * 0.003 for offset in (-0.05, -0.3)
        },
        "clicks": (random.uniform(0, 1, 2 * rate) > 0.99) * 0.8,
        "of 8 bits": np.floor(hum * 127) / 128,
        "of 8 bits, dithered": np.floor(hum * 127) / 128 + random.integers(-1, 2, 2 * rate) / 32768,
        "of 8 bits, repeated": (np.floor(hum * 127) * 256 + np.floor(hum * 127) % 256) / 32768,
        "of 12 bits": np.floor(hum * 2047) / 2048,
    }


@pytest.mark.parametrize(("rate", "level"), [(8000, 1.0), (16000, 0.03), (48000, 1.0)])
@pytest.mark.parametrize("announced", [S16, F32, MULAW, ALAW])
def test_no_sound_of_the_announced_format_is_refused(announced: SampleFormat, rate: int, level: float) -> None:
    all_sounds = sounds(rate)
    for name, sound in all_sounds.items():
        assert refusal(announced, FORMATS[announced](sound * level)) == ("", 0), name
    for left in ("voice", "white noise", "silence", "speech", "hiss", "slow -0.3"):
        for right in ("voice", "noisy square"):
            both = np.stack([all_sounds[left], all_sounds[right]], axis=1).reshape(-1) * level
            assert refusal(announced, FORMATS[announced](both), 2) == ("", 0), (left, right)


def test_floats_above_full_scale_and_broken_ones_are_floats() -> None:
    samples = voice(3.0, 16000)
    for factor in (8.0, 32768.0):
        assert refusal(F32, (samples * factor).astype("<f4").tobytes()) == ("", 0)
    samples[::3] = np.nan
    samples[1::3] = np.inf
    assert refusal(F32, samples.astype("<f4").tobytes()) == ("", 0)


def test_silence_before_the_sound_does_not_end_the_check() -> None:
    check = SampleCheck(S16, 1)
    check.feed(bytes(10 * MAX_WINDOWS * WINDOW_BYTES))
    assert not check.is_done
    with pytest.raises(SttError):
        check.feed(FORMATS["pcm_f32le"](voice(3.0, 16000)))


def test_the_check_ends() -> None:
    check = SampleCheck(S16, 1)
    check.feed(FORMATS["pcm_s16le"](voice(8.0, 16000)))
    assert check.is_done
    check.feed(FORMATS["pcm_f32le"](voice(3.0, 16000)))
