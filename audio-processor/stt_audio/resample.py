"""Any audio frame of FFmpeg's in, 16 kHz mono s16le bytes out."""

import av

from stt_shared.contracts.session import TARGET_SAMPLE_RATE


class MonoResampler:
    """Keeps its state from frame to frame; begins anew when a stream changes its rate, format or channels midway.

    Not bound to a thread, but never to be used by two at once.
    """

    def __init__(self) -> None:
        self._resampler: av.AudioResampler | None = None
        self._input: tuple[str, str, int] | None = None

    def feed(self, frame: av.AudioFrame) -> bytes:
        """The samples that are ready; a little is held back until the next frame or ``flush``."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        tail = b""
        if kind != self._input:
            tail = self.flush()
            self._input = kind
        if self._resampler is None:
            self._resampler = av.AudioResampler("s16", "mono", TARGET_SAMPLE_RATE)
        # Time stamps have no say: with gaps in them the resampler would be asked to invent or to drop audio.
        frame.pts = None
        return tail + _joined(self._resampler.resample(frame))

    def flush(self) -> bytes:
        """What was held back; the next frame starts afresh."""
        resampler, self._resampler = self._resampler, None
        return b"" if resampler is None else _joined(resampler.resample(None))


def _joined(frames: list[av.AudioFrame]) -> bytes:
    # A plane is longer than its samples: FFmpeg aligns it.
    return b"".join(bytes(memoryview(frame.planes[0])[: 2 * frame.samples]) for frame in frames)
