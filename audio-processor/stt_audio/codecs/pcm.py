"""Conversion of bare samples of any supported rate and format to 16 kHz s16le, mixed to mono or not."""

import enum
from collections.abc import Sequence

import av
import numpy as np
import numpy.typing as npt

from stt_audio.codecs.channels import Output
from stt_audio.codecs.resample import INT16_BYTES, Resampler, warm_up_samples
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import AUDIO_RATE_HZ

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 4000, 384_000
MAX_CHANNELS = 8

Int16s = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float32]


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
_WIDE = frozenset({SampleFormat.S24LE, SampleFormat.S32LE, SampleFormat.F32LE, SampleFormat.F64LE})
"""Formats that do not fit into 16 bits."""


class PcmDecoder:
    """Decoder of one stream of bare samples, whose pieces may end anywhere, even within a sample.

    With ``held``, nothing is returned until ``resume``. With ``big_endian``, the bytes of each sample come in reverse
    order. ``output``: what becomes of the channels, as of ``Resampler``. Raises SttError("unsupported_media") for a
    rate or number of channels out of bounds.
    """

    def __init__(
        self,
        sample_format: SampleFormat,
        sample_rate: int,
        channels: int,
        *,
        held: bool = False,
        big_endian: bool = False,
        output: Output | None = None,
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
        self._resampler = Resampler(output, held=held)

    @property
    def is_identity(self) -> bool:
        """True when the samples are already 16 kHz mono s16le, so that decoding costs nothing."""
        return self._passes_on and self._format is SampleFormat.S16LE and not self._is_reversed

    @property
    def output_bytes(self) -> int:
        """Bytes of one returned sample of all channels together."""
        return self._resampler.frame_bytes

    @property
    def _passes_on(self) -> bool:
        """True when only the format of the samples changes, one by one."""
        is_mono = self._channels == 1 and self.output_bytes == INT16_BYTES
        return self._sample_rate == AUDIO_RATE_HZ and is_mono and self._format not in _WIDE

    def feed(self, data: bytes) -> bytes:
        """Return 16 kHz s16le of all whole samples so far; keep the rest for the next piece."""
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        if whole < len(data):
            data = data[:whole]
        if not data or (self._held and self._passes_on):
            return b""
        if self.is_identity:
            return data
        if self._is_reversed:
            data = np.frombuffer(data, np.uint8).reshape(-1, self._format.bytes_per_sample)[:, ::-1].tobytes()
        samples = to_samples(data, self._format)
        if self._passes_on:
            return samples.tobytes()
        kind = "s16" if samples.dtype == np.int16 else "flt"
        layout = "mono" if self._channels == 1 else f"{self._channels} channels"
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format=kind, layout=layout)
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

    @property
    def state(self) -> tuple[float, ...]:
        """State of the mix and the level, as of ``Resampler``."""
        return self._resampler.state

    def resume(self, source_samples: int, samples: int, state: Sequence[float] = ()) -> None:
        """Continue from the ``run`` and ``state`` of another decoder.

        This decoder must have been created with ``held`` and fed the other one's ``needed_bytes``.
        """
        self._held = False
        self._resampler.resume(source_samples, samples, state)


def to_samples(data: bytes, sample_format: SampleFormat) -> Int16s | Floats:
    """Return samples as 16-bit ones if they fit, else as float32 in -1…1; those of a float format may exceed that."""
    match sample_format:
        case SampleFormat.S16LE:
            return np.frombuffer(data, dtype="<i2")
        case SampleFormat.MULAW:
            return _look_up(_MULAW, data)
        case SampleFormat.ALAW:
            return _look_up(_ALAW, data)
        case SampleFormat.U8:
            return ((np.frombuffer(data, dtype=np.uint8).astype("<i2") - 128) << 8).astype("<i2")
        case SampleFormat.S24LE:  # the upper three of four bytes
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)
            return _from_int32(wide.view("<i4").reshape(-1))
        case SampleFormat.S32LE:
            return _from_int32(np.frombuffer(data, dtype="<i4"))
        case SampleFormat.F32LE:
            return np.frombuffer(data, dtype="<f4")
        case SampleFormat.F64LE:
            with np.errstate(over="ignore"):  # becomes infinity, which becomes silence
                return np.frombuffer(data, dtype="<f8").astype(np.float32)
    raise AssertionError(f"{sample_format} is no known format")


def _from_int32(samples: npt.NDArray[np.int32]) -> Floats:
    floats: Floats = samples.astype(np.float32) / np.float32(2**31)
    return floats


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
