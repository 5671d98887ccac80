"""Path of one session's frames: from the ingest log, through the decoder, into the PCM log."""

import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from stt_audio.live.decoder import DecoderWarning, LiveDecoder
from stt_audio.live.progress import Progress
from stt_audio.pcm_writer import PcmWriter
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.frames import Frame, FrameKind
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.process.clock import wall_ms
from stt_shared.process.metrics import stage_seconds
from stt_shared.work.crash_guard import BEHIND_MS, Probation

MAX_FRAME_SAMPLES = AUDIO_RATE_HZ
"""Longest frame in the PCM log: one second."""
MIN_FRAME_SAMPLES = 30 * AUDIO_RATE_HZ // 1000
"""Shortest frame: 30 ms. Less audio waits for the next piece or control frame: a single Ogg page or ADTS frame is not
worth a round trip. The gateway's shortest frames (40 ms) are written at once."""
MAX_SILENT_BYTES = 4 * 1024**2
"""Most compressed data in a row without any audio: headers, pictures, an index. Less than the ingest log holds, so that
such data cannot fill it."""
_SILENT = f"no audio in {MAX_SILENT_BYTES} bytes of the stream; more headers, pictures or padding are not allowed"


class LivePipeline:
    """Pipeline of one session that continues from ``progress``.

    Frames that another replica has decoded only bring this decoder to the same state.

    ``warn`` sends a warning to the client. ``trial``: for a session during which workers died; it ends with the first
    frame that none of them completed.
    """

    def __init__(
        self,
        writer: PcmWriter,
        decoder: LiveDecoder,
        progress: Progress,
        warn: Callable[[DecoderWarning], Awaitable[None]],
        trial: Probation | None = None,
    ) -> None:
        self._writer = writer
        self._decoder = decoder
        self._progress = progress
        self._warn = warn
        self._trial = trial
        self._frame_bytes = writer.frame_bytes
        self._known_head = progress.head
        self._replayed_seq = progress.consumed_seq
        self._surplus_bytes = self._frame_bytes * (progress.written_samples - progress.done_samples)
        self._skip_bytes = progress.skip_bytes
        # For each frame: its offset in the decoder's input, and its number.
        self._begins: deque[tuple[int, int]] = deque()
        self._fed_bytes = 0
        # Decoded, but too short to be written. The ingest frames it came from are consumed only when it is written.
        self._pending = b""
        self._silent_bytes = 0

    async def run(self, frames: AsyncIterator[Frame]) -> None:
        """Process frames until STOP, or until ``frames`` end. Raises SttError, OwnershipLost, LogHole or RolledBack."""
        if self._progress.keep_from > self._replayed_seq:
            self._decoder.resume()
        async for frame in frames:
            trial = self._trial
            if trial is not None:
                await trial.begin()
            queue_ms = max(0.0, wall_ms() - frame.meta.received_ms) if frame.meta.received_ms else 0.0
            if frame.seq <= self._replayed_seq:
                await self._replay(frame)
            else:
                stage_seconds("queue").observe(queue_ms / 1000)
                await self._pass_on(frame, queue_ms)
                for warning in self._decoder.take_warnings():
                    await self._warn(warning)
            if trial is not None and (self._trial is None or queue_ms < BEHIND_MS):
                await trial.end()
            if frame.kind is FrameKind.STOP:
                return

    async def _replay(self, frame: Frame) -> None:
        pieces = self._feed(frame) if frame.kind is FrameKind.AUDIO else self._decoder.flush()
        async for _ in pieces:
            pass
        if frame.seq == self._replayed_seq:
            self._decoder.resume()

    def _feed(self, frame: Frame) -> AsyncIterator[bytes]:
        skip, self._skip_bytes = self._skip_bytes, 0
        self._begins.append((self._fed_bytes - skip, frame.seq))
        self._fed_bytes += len(frame.data) - skip
        return self._decoder.feed(frame.data[skip:] if skip else frame.data)

    async def _pass_on(self, frame: Frame, queue_ms: float) -> None:
        if frame.kind is FrameKind.AUDIO:
            self._silent_bytes += len(frame.data)
            await self._decode(self._feed(frame), frame, queue_ms)
            return
        rest = self._decoder.finish() if frame.kind is FrameKind.STOP else self._decoder.flush()
        await self._decode(rest, frame, queue_ms)
        self._done(frame, self._writer.position_samples)
        await self._write(frame, b"", queue_ms, 0.0, kind=frame.kind)

    async def _decode(self, pieces: AsyncIterator[bytes], frame: Frame, queue_ms: float) -> None:
        """Write the decoder's output. The last frame written records that an audio ``frame`` is done."""
        began = time.perf_counter()
        decode_ms = 0.0
        try:
            async for pcm in pieces:
                decode_ms = (time.perf_counter() - began) * 1000
                stage_seconds("decode").observe(decode_ms / 1000)
                self._silent_bytes = 0
                self._pending += self._unwritten(pcm)
                # Only the last piece may release the ingest frame.
                while self._pending_samples > MAX_FRAME_SAMPLES:
                    await self._write_pending(frame, queue_ms, decode_ms)
                began = time.perf_counter()
            if self._silent_bytes > MAX_SILENT_BYTES:
                raise SttError("bad_audio", _SILENT)
        except SttError:
            # The client still gets the text of all audio that could be decoded.
            await self._write_pending(frame, queue_ms, decode_ms)
            raise
        if frame.kind is FrameKind.AUDIO:
            self._done(frame, self._writer.position_samples + self._pending_samples)
        if frame.kind is not FrameKind.AUDIO or self._pending_samples >= MIN_FRAME_SAMPLES:
            await self._write_pending(frame, queue_ms, decode_ms)

    async def _write_pending(self, frame: Frame, queue_ms: float, decode_ms: float) -> None:
        most_bytes = MAX_FRAME_SAMPLES * self._frame_bytes
        pcm, self._pending = self._pending[:most_bytes], self._pending[most_bytes:]
        if pcm:
            await self._write(frame, pcm, queue_ms, decode_ms)

    @property
    def _pending_samples(self) -> int:
        return len(self._pending) // self._frame_bytes

    def _unwritten(self, pcm: bytes) -> bytes:
        """Drop the audio that another replica has already written of a frame that it did not complete."""
        surplus = min(self._surplus_bytes, len(pcm))
        self._surplus_bytes -= surplus
        return pcm[surplus:] if surplus else pcm

    def _done(self, frame: Frame, done_samples: int) -> None:
        found = self._decoder.checkpoint()
        offset = found.point.offset if found else self._fed_bytes
        while len(self._begins) > 1 and self._begins[1][0] <= offset:
            self._begins.popleft()
        if offset >= self._fed_bytes or not self._begins:
            seq, skip_bytes = frame.seq + 1, 0
        else:
            begin, seq = self._begins[0]
            skip_bytes = offset - begin
        self._progress = self._progress.at(
            frame, done_samples - self._surplus_bytes // self._frame_bytes, seq, skip_bytes, found
        )

    async def _write(
        self, frame: Frame, pcm: bytes, queue_ms: float, decode_ms: float, kind: FrameKind = FrameKind.AUDIO
    ) -> None:
        progress = self._progress
        await self._writer.write(
            kind,
            pcm,
            consumed=progress.consumed_seq,
            keep_from=progress.keep_from,
            decoder=progress.position(self._writer.position_samples + len(pcm) // self._frame_bytes, self._known_head),
            is_last=kind is FrameKind.STOP,
            received_ms=frame.meta.received_ms,
            queue_ms=queue_ms,
            decode_ms=decode_ms,
            vocabulary=frame.meta.vocabulary,
        )
        self._known_head = progress.head
        if progress.consumed_seq > self._replayed_seq:
            self._trial = None
