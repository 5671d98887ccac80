"""Conversion of bare samples of any supported rate and format to 16 kHz mono s16le."""

import enum

import av
import numpy as np
import numpy.typing as npt

from stt_audio.codecs.resample import MonoResampler, warm_up_samples
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import AUDIO_RATE_HZ

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 4000, 384_000
MAX_CHANNELS = 8

Int16s = npt.NDArray[np.int16]


class SampleFormat(enum.StrEnum):
    """Memory layout of one sample. Formats that a client can announce have the same names as in ``Encoding``."""

    U8 = "pcm_u8"
    S16LE = "pcm_s16le"
    S24LE = "pcm_s24le"
    S32LE = "pcm_s32le"
    F32LE = "pcm_f32le"
    F64LE = "pcm_f64le"
    MULAW = "mulaw"
    ALAW = "alaw"

    @property
    def bytes_per_sample(self) -> int:
        """Size of one sample of one channel."""
        return _BYTES[self]


_BYTES = {
    SampleFormat.U8: 1,
    SampleFormat.S16LE: 2,
    SampleFormat.S24LE: 3,
    SampleFormat.S32LE: 4,
    SampleFormat.F32LE: 4,
    SampleFormat.F64LE: 8,
    SampleFormat.MULAW: 1,
    SampleFormat.ALAW: 1,
}


class PcmDecoder:
    """Decoder of one stream of bare samples, whose pieces may end anywhere, even within a sample.

    With ``held``, nothing is returned until ``resume``. With ``big_endian``, the bytes of each sample come in reverse
    order. Raises SttError("unsupported_media") for a rate or number of
    channels out of bounds.
    """

    def __init__(
        self,
        sample_format: SampleFormat,
        sample_rate: int,
        channels: int,
        *,
        held: bool = False,
        big_endian: bool = False,
    ) -> None:
        if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
            raise SttError(
                "unsupported_media",
                f"a sample rate of {sample_rate} Hz; allowed are {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz",
            )
        if not 1 <= channels <= MAX_CHANNELS:
            raise SttError("unsupported_media", f"{channels} channels; allowed are 1 to {MAX_CHANNELS}")
        self._format = sample_format
        self._is_reversed = big_endian and sample_format.bytes_per_sample > 1
        self._sample_rate = sample_rate
        self._channels = channels
        self._frame_bytes = sample_format.bytes_per_sample * channels
        self._rest = b""
        self._held = held
        self._resampler = MonoResampler(held=held)

    @property
    def is_identity(self) -> bool:
        """True when the samples are already 16 kHz mono s16le, so that decoding costs nothing."""
        is_s16le = self._format is SampleFormat.S16LE and not self._is_reversed
        return is_s16le and self._channels == 1 and self._sample_rate == AUDIO_RATE_HZ

    def feed(self, data: bytes) -> bytes:
        """Return 16 kHz mono s16le of all whole samples so far; keep the rest for the next piece."""
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        if whole < len(data):
            data = data[:whole]
        if not data or (self._held and self._sample_rate == AUDIO_RATE_HZ):
            return b""
        if self.is_identity:
            return data
        if self._is_reversed:
            data = np.frombuffer(data, np.uint8).reshape(-1, self._format.bytes_per_sample)[:, ::-1].tobytes()
        mono = to_mono_int16(data, self._format, self._channels)
        if self._sample_rate == AUDIO_RATE_HZ:
            return mono.tobytes()
        frame = av.AudioFrame.from_ndarray(mono.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._sample_rate
        return self._resampler.feed(frame)

    def flush(self) -> bytes:
        """Return the samples that the resampler still holds; the stream may continue afterwards."""
        return self._resampler.flush()

    @property
    def run(self) -> tuple[int, int]:
        """Samples fed to the resampler since it began or was flushed, and samples that it has returned since then."""
        return self._resampler.source_samples, self._resampler.samples

    @property
    def needed_bytes(self) -> int:
        """Bytes at the end of the input so far that the decoder of the next owner must be fed again."""
        n_samples = min(self._resampler.source_samples, warm_up_samples(self._sample_rate))
        return len(self._rest) + n_samples * self._frame_bytes

    def resume(self, source_samples: int, samples: int) -> None:
        """Continue from the ``run`` of another decoder.

        This decoder must have been created with ``held`` and fed the other one's ``needed_bytes``.
        """
        self._held = False
        self._resampler.resume(source_samples, samples)


def to_mono_int16(data: bytes, sample_format: SampleFormat, channels: int) -> Int16s:
    """Average the channels of whole interleaved frames to 16-bit samples. NaN and infinity become silence."""
    if sample_format in (SampleFormat.F32LE, SampleFormat.F64LE):
        floats = np.frombuffer(data, dtype="<f4" if sample_format is SampleFormat.F32LE else "<f8").reshape(
            -1, channels
        )
        clean = np.where(np.isfinite(floats), floats, 0.0).clip(-1.0, 1.0)
        return _rounded(clean.mean(axis=1) * 32768.0)
    samples = _to_int16(data, sample_format)
    return samples if channels == 1 else _rounded(samples.reshape(-1, channels).mean(axis=1, dtype=np.float32))


def _rounded(values: npt.NDArray[np.floating]) -> Int16s:
    samples: Int16s = np.rint(values).clip(-32768, 32767).astype(np.int16)
    return samples


def _to_int16(data: bytes, sample_format: SampleFormat) -> Int16s:
    match sample_format:
        case SampleFormat.S16LE:
            return np.frombuffer(data, dtype="<i2")
        case SampleFormat.MULAW:
            return _look_up(_MULAW, data)
        case SampleFormat.ALAW:
            return _look_up(_ALAW, data)
        case SampleFormat.U8:
            return ((np.frombuffer(data, dtype=np.uint8).astype("<i2") - 128) << 8).astype("<i2")
        case SampleFormat.S24LE:  # the upper two of three bytes
            upper: Int16s = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)[:, 1:].copy().view("<i2")
            return upper.reshape(-1)
        case SampleFormat.S32LE:
            return (np.frombuffer(data, dtype="<i4") >> 16).astype("<i2")
    raise AssertionError(f"{sample_format} is no integer format")


def _look_up(table: Int16s, data: bytes) -> Int16s:
    samples: Int16s = table[np.frombuffer(data, dtype=np.uint8)]
    return samples


def _mulaw_table() -> Int16s:
    """Return the samples of all 256 codes of ITU-T G.711 µ-law."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


def _alaw_table() -> Int16s:
    """Return the samples of all 256 codes of ITU-T G.711 A-law."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    step, low = code >> 4 & 7, ((code & 0x0F) << 4) + 8
    magnitude = np.where(step == 0, low, (low + 0x100) << np.maximum(step - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype("<i2")


_MULAW = _mulaw_table()
_ALAW = _alaw_table()
