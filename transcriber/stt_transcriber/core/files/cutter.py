"""Cutting a long recording at pauses into chunks that the model takes whole. Silence between chunks is left out."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.cut_point import cut_point
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES, GatePolicy, GateState
from stt_transcriber.core.audio.vad_stream import VadStream, Voice
from stt_transcriber.core.audio.vad_track import VadTrack
from stt_transcriber.core.decoding import SAMPLE_RATE
from stt_transcriber.core.language import voice_in


@dataclass(frozen=True)
class CutterPolicy:
    """Lengths in samples at 16 kHz."""

    max_chunk: int = 28 * SAMPLE_RATE
    look_back: int = 6 * SAMPLE_RATE  # where a cut is sought when nobody pauses
    pad: int = SAMPLE_RATE // 5  # kept before and behind speech
    pause: int = SAMPLE_RATE * 3 // 10  # shortest silence that counts as a pause
    long_pause: int = 3 * SAMPLE_RATE  # a chunk ends here in any case: more silence would only be decoded
    telling: int = 5 * SAMPLE_RATE  # so much voice tells the language
    evidence: int = 8 * SAMPLE_RATE  # of the voice of several chunks that tells the language, the last part


@dataclass(frozen=True)
class CutChunk:
    """One piece; ``samples`` int16, ``start`` its place in the recording, ``voice_share`` the part of it
    that held voice, 0–1; ``voiced``: which windows, as ``VadTrack.packed`` tells. ``decides``: the recording's
    language is the one detected with this chunk, in ``evidence``, int16 [n], the voice of the first chunks, or in the
    chunk itself where that is empty."""

    start: int
    samples: NDArray[np.int16]
    voice_share: float = 1.0
    decides: bool = False
    voiced: bytes = b""
    evidence: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))


@dataclass(frozen=True)
class HeldChunk:
    """A chunk that is not given out, as it is stored: ``samples`` int16, the rest as in ``CutChunk``."""

    start: int
    samples: bytes
    voice_share: float
    voiced: bytes


@dataclass(frozen=True)
class CutterState:
    """What a cutter remembers besides the audio from ``settled`` on; positions in samples.

    ``voiced``: float32 probabilities of the windows from ``voiced_from`` on; ``begin``: of the chunk in the making;
    ``decided``: the language was given, or the chunk that decides it was given out. ``held``: chunks that were not.
    """

    settled: int
    position: int
    begin: int | None
    pauses: list[int]
    gate: GateState
    voiced_from: int
    voiced: bytes
    decided: bool = False
    held: list[HeldChunk] = field(default_factory=list)


class ChunkCutter:
    """Fed samples in any portions; answers finished chunks in order. The same audio is cut the same way, always.

    The first chunks are held until together they tell the recording's language. Then the first one alone is given out,
    which decides it, and the others with whatever is asked for next. ``decided``: no language is to be detected.
    """

    def __init__(self, voice: Voice, gate: GatePolicy, policy: CutterPolicy, *, decided: bool = False) -> None:
        self._listener = VadStream(voice, gate, 0)
        self._policy = policy
        self._buffer = RollingBuffer()
        self._begin: int | None = None  # of the chunk in the making
        self._pauses: list[int] = []  # middles of pauses within it
        self.decided = decided  # the language was given, or the chunk that decides it was given out
        self._held: list[CutChunk] = []

    @property
    def position(self) -> int:
        """Samples fed so far."""
        return self._buffer.end

    @property
    def settled(self) -> int:
        """Everything before this is in a chunk already given out, or is silence."""
        return self._buffer.start

    def state(self) -> CutterState:
        """What a successor needs to cut on in the same way; it is then fed the audio from ``settled`` on again."""
        voiced_from, voiced = self._listener.track.state()
        return CutterState(
            self.settled,
            self._listener.position,
            self._begin,
            list(self._pauses),
            self._listener.gate.state(),
            voiced_from,
            np.array(voiced, np.float32).tobytes(),
            self.decided,
            [HeldChunk(c.start, c.samples.tobytes(), c.voice_share, c.voiced) for c in self._held],
        )

    def restore(self, state: CutterState) -> None:
        """Goes on from a ``state``; its voice must go on from the same place. For a cutter that was fed nothing yet."""
        self._buffer = RollingBuffer(state.settled)
        self._begin, self._pauses = state.begin, list(state.pauses)
        self.decided = self.decided or state.decided
        self._held = [
            CutChunk(c.start, np.frombuffer(c.samples, np.int16), c.voice_share, voiced=c.voiced) for c in state.held
        ]
        self._listener.position = state.position
        self._listener.gate.restore(state.gate)
        self._listener.track.restore(state.voiced_from, np.frombuffer(state.voiced, np.float32).tolist())

    def feed(self, samples: NDArray[np.int16]) -> list[CutChunk]:
        """Takes samples [n]; answers the chunks that they completed."""
        self._buffer.append(samples)
        chunks: list[CutChunk] = []
        self._listener.hear(self._buffer)
        while self._listener.has_more:
            chunk = self._step()
            if chunk:
                chunks.append(chunk)
        if self._begin is None:
            self._drop_before(self._listener.position - self._policy.pad - 4 * WINDOW_SAMPLES)
        return self._release(chunks)

    @property
    def holds_chunks(self) -> bool:
        """Chunks are held: ``finish`` is to be called once more."""
        return bool(self._held)

    def finish(self) -> list[CutChunk]:
        """The recording is over; see ``holds_chunks``."""
        if self._begin is None and self._listener.gate.is_rising:
            self._listener.gate.begin()
            self._begin = max(self._buffer.start, self._listener.speech_start - self._policy.pad)
        if self._begin is None:
            return self._release([], is_over=True)
        end = min(self._buffer.end, self._listener.speech_end + self._policy.pad + WINDOW_SAMPLES)
        return self._release([self._cut(end)], is_over=True)

    def _release(self, chunks: list[CutChunk], *, is_over: bool = False) -> list[CutChunk]:
        self._held += chunks
        if not self.decided:
            return [self._deciding_chunk()] if self._held and (is_over or self._tells_language()) else []
        chunks, self._held = self._held, []
        return chunks

    def _tells_language(self) -> bool:
        voiced = sum(chunk.voice_share * len(chunk.samples) for chunk in self._held)
        # However little voice there is: more is not held.
        return voiced >= self._policy.telling or sum(len(c.samples) for c in self._held) >= self._policy.max_chunk

    def _deciding_chunk(self) -> CutChunk:
        self.decided = True
        evidence = np.zeros(0, np.int16)
        if len(self._held) > 1:
            evidence = np.concatenate([_voice_of(chunk) for chunk in self._held])[-self._policy.evidence :]
        return replace(self._held.pop(0), decides=True, evidence=evidence)

    def _step(self) -> CutChunk | None:
        before, was_silent_for = self._listener.position, self._silent_for
        began = self._listener.step()
        if self._begin is None:
            if began:
                self._begin = max(self._buffer.start, self._listener.speech_start - self._policy.pad)
            return None
        if self._silent_for == 0 and was_silent_for >= self._policy.pause:
            self._pauses.append(before - was_silent_for // 2)
        if self._silent_for >= self._policy.long_pause:
            chunk = self._cut(self._listener.speech_end + self._policy.pad)
            self._listener.gate.end()
            self._pauses = []
            return chunk
        if self._listener.position - self._begin >= self._policy.max_chunk:
            return self._cut_long()
        return None

    def _cut_long(self) -> CutChunk:
        """The chunk is as long as may be: cut at its last pause, else at the quietest moment of its last seconds."""
        assert self._begin is not None
        earliest = self._begin + self._policy.max_chunk // 3
        pauses = [pause for pause in self._pauses if pause > earliest]
        if pauses:
            at = pauses[-1]
        else:
            now = self._listener.position
            at = cut_point(self._buffer, self._listener.track, now - self._policy.look_back, now)
        chunk = self._cut(at)
        self._begin = at
        self._pauses = [pause for pause in self._pauses if pause > at]
        return chunk

    def _cut(self, end: int) -> CutChunk:
        assert self._begin is not None
        samples = np.round(self._buffer.as_float(self._begin, end) * 32768.0).astype(np.int16)
        share = self._listener.track.share(self._begin, end)
        chunk = CutChunk(self._begin, samples, share, voiced=self._listener.track.packed(self._begin, end))
        self._drop_before(end)
        self._begin = None
        return chunk

    def _drop_before(self, position: int) -> None:
        self._buffer.drop_before(position)
        self._listener.track.drop_before(min(position, self._listener.position))

    @property
    def _silent_for(self) -> int:
        return self._listener.position - self._listener.speech_end


def _voice_of(chunk: CutChunk) -> NDArray[np.int16]:
    buffer = RollingBuffer(chunk.start)
    buffer.append(chunk.samples)
    track = VadTrack.unpacked(chunk.start, chunk.voiced)
    return voice_in(buffer, track, chunk.start, buffer.end).samples
