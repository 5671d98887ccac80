"""Cutting of a long recording at pauses into chunks that fit into one decode; silence between chunks is left out."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.cut_point import cut_point
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES, GatePolicy, GateState
from stt_transcriber.core.audio.vad_stream import VadStream, Voice
from stt_transcriber.core.audio.vad_track import VadTrack

_MOST_EVIDENCE = 8 * AUDIO_RATE_HZ
_MARGIN = 3
"""Windows kept on either side of voice, because sounds begin and end softly."""


@dataclass(frozen=True)
class CutterPolicy:
    """Lengths for cutting, in samples at 16 kHz."""

    max_chunk: int = 28 * AUDIO_RATE_HZ
    look_back: int = 6 * AUDIO_RATE_HZ  # range searched for a cut if there is no pause
    pad: int = AUDIO_RATE_HZ // 5  # silence kept before and after speech
    pause: int = AUDIO_RATE_HZ * 3 // 10  # shortest silence that counts as a pause
    long_pause: int = 3 * AUDIO_RATE_HZ  # always ends a chunk: more silence would only cost decoding time
    telling: int = 5 * AUDIO_RATE_HZ  # voice from which a chunk's language is detected from it alone
    recent: int = 3 * AUDIO_RATE_HZ  # most voice before a chunk with less, used to detect its language


@dataclass(frozen=True)
class CutChunk:
    """One piece of a recording.

    ``start``: its position in the recording. ``samples``: int16 [n]. ``voice_share``: share of it that held voice, 0–1.
    ``voiced``: the windows that held voice, in the format of ``VadTrack.packed``. ``evidence``: int16 [m], the voice
    from which its language is to be detected too: its own and that of chunks around it; empty if its own is enough.
    ``channel``: of the recording; None if it has one.
    """

    start: int
    samples: NDArray[np.int16]
    voice_share: float = 1.0
    voiced: bytes = b""
    evidence: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    channel: int | None = None


@dataclass(frozen=True)
class HeldChunk:
    """Stored form of a chunk that is held back; ``samples`` are int16, other fields as in ``CutChunk``."""

    start: int
    samples: bytes
    voice_share: float
    voiced: bytes


@dataclass(frozen=True)
class CutterState:
    """State of a cutter, apart from the audio from ``settled`` on; positions in samples.

    ``voiced``: float32 probabilities of the windows from ``voiced_from`` on. ``begin``: start of the chunk in the
    making. ``recent``: int16 samples of the newest voice in chunks that were returned, None if none was. ``held``:
    chunks that are held back.
    """

    settled: int
    position: int
    begin: int | None
    pauses: list[int]
    gate: GateState
    voiced_from: int
    voiced: bytes
    recent: bytes | None = None
    held: list[HeldChunk] = field(default_factory=list)


class ChunkCutter:
    """Cutter that receives samples in portions of any size and returns finished chunks in order.

    The same audio is always cut in the same way. If the language is detected (``detects``), the first chunks are held
    back until together they have enough voice for that; later ones with little voice have the voice before them as
    evidence.
    """

    def __init__(self, voice: Voice, gate: GatePolicy, policy: CutterPolicy, *, detects: bool = True) -> None:
        self._vad = VadStream(voice, gate, 0)
        self._policy = policy
        self._buffer = RollingBuffer()
        self._begin: int | None = None  # start of the chunk in the making
        self._pauses: list[int] = []  # middles of pauses within it
        self._detects = detects
        self._recent: NDArray[np.int16] | None = None  # newest voice of the chunks that were returned
        self._held: list[CutChunk] = []

    @property
    def position(self) -> int:
        """Number of samples received."""
        return self._buffer.end

    @property
    def settled(self) -> int:
        """Position before which all audio is silence or in a chunk that was returned or is held back."""
        return self._buffer.start

    def state(self) -> CutterState:
        """Return the state with which another cutter can continue in the same way.

        That cutter must receive the audio from ``settled`` on again.
        """
        voiced_from, voiced = self._vad.track.state()
        return CutterState(
            self.settled,
            self._vad.position,
            self._begin,
            list(self._pauses),
            self._vad.gate.state(),
            voiced_from,
            np.array(voiced, np.float32).tobytes(),
            None if self._recent is None else self._recent.tobytes(),
            [HeldChunk(c.start, c.samples.tobytes(), c.voice_share, c.voiced) for c in self._held],
        )

    def restore(self, state: CutterState) -> None:
        """Restore a state that ``state`` returned, in a cutter that has received no audio.

        Its VAD model must resume from the same position.
        """
        self._buffer = RollingBuffer(state.settled)
        self._begin, self._pauses = state.begin, list(state.pauses)
        self._recent = None if state.recent is None else np.frombuffer(state.recent, np.int16)
        self._held = [
            CutChunk(c.start, np.frombuffer(c.samples, np.int16), c.voice_share, voiced=c.voiced) for c in state.held
        ]
        self._vad.position = state.position
        self._vad.gate.restore(state.gate)
        self._vad.track.restore(state.voiced_from, np.frombuffer(state.voiced, np.float32).tolist())

    def feed(self, samples: NDArray[np.int16]) -> list[CutChunk]:
        """Append samples [n]; return the chunks that are ready."""
        self._buffer.append(samples)
        chunks: list[CutChunk] = []
        self._vad.process(self._buffer)
        while self._vad.has_more:
            chunk = self._step()
            if chunk:
                chunks.append(chunk)
        if self._begin is None:
            self._drop_before(self._vad.position - self._policy.pad - 4 * WINDOW_SAMPLES)
        return self._release(chunks)

    def finish(self) -> list[CutChunk]:
        """End the recording; return the chunks that remain."""
        if self._begin is None and self._vad.gate.is_rising:
            self._vad.gate.begin()
            self._begin = max(self._buffer.start, self._vad.speech_start - self._policy.pad)
        if self._begin is None:
            return self._release([], is_over=True)
        end = min(self._buffer.end, self._vad.speech_end + self._policy.pad + WINDOW_SAMPLES)
        return self._release([self._cut(end)], is_over=True)

    def _release(self, chunks: list[CutChunk], *, is_over: bool = False) -> list[CutChunk]:
        if not self._detects:
            return chunks
        self._held += chunks
        if not self._held or not (is_over or self._recent is not None or self._tells_language()):
            return []
        released, self._held = self._held, []
        if self._recent is None:
            # The beginning: each of these chunks is judged by the voice of all of them.
            voice = np.concatenate([_voice_of(chunk) for chunk in released])[-_MOST_EVIDENCE:]
            return [self._with_evidence(chunk, voice) for chunk in released]
        return [
            self._with_evidence(chunk, np.concatenate([self._recent, _voice_of(chunk)])[-_MOST_EVIDENCE:])
            for chunk in released
        ]

    def _tells_language(self) -> bool:
        voiced = sum(chunk.voice_share * len(chunk.samples) for chunk in self._held)
        # The second condition limits how much audio is held back, however little voice there is.
        return voiced >= self._policy.telling or sum(len(c.samples) for c in self._held) >= self._policy.max_chunk

    def _with_evidence(self, chunk: CutChunk, voice: NDArray[np.int16]) -> CutChunk:
        """Return the chunk with ``voice`` as evidence if it needs any, and remember its own voice."""
        own = _voice_of(chunk)
        before = np.zeros(0, np.int16) if self._recent is None else self._recent
        self._recent = np.concatenate([before, own])[-self._policy.recent :]
        is_enough = chunk.voice_share * len(chunk.samples) >= self._policy.telling
        return chunk if is_enough or len(voice) == len(own) else replace(chunk, evidence=voice)

    def _step(self) -> CutChunk | None:
        before, was_silent_for = self._vad.position, self._silent_for
        began = self._vad.step()
        if self._begin is None:
            if began:
                self._begin = max(self._buffer.start, self._vad.speech_start - self._policy.pad)
            return None
        if self._silent_for == 0 and was_silent_for >= self._policy.pause:
            self._pauses.append(before - was_silent_for // 2)
        if self._silent_for >= self._policy.long_pause:
            chunk = self._cut(self._vad.speech_end + self._policy.pad)
            self._vad.gate.end()
            self._pauses = []
            return chunk
        if self._vad.position - self._begin >= self._policy.max_chunk:
            return self._cut_long()
        return None

    def _cut_long(self) -> CutChunk:
        """Cut a chunk of maximum length at its last pause, or else at the quietest moment of its last seconds."""
        assert self._begin is not None
        earliest = self._begin + self._policy.max_chunk // 3
        pauses = [pause for pause in self._pauses if pause > earliest]
        if pauses:
            at = pauses[-1]
        else:
            now = self._vad.position
            at = cut_point(self._buffer, self._vad.track, now - self._policy.look_back, now)
        chunk = self._cut(at)
        self._begin = at
        self._pauses = [pause for pause in self._pauses if pause > at]
        return chunk

    def _cut(self, end: int) -> CutChunk:
        assert self._begin is not None
        samples = np.round(self._buffer.as_float(self._begin, end) * 32768.0).astype(np.int16)
        share = self._vad.track.share(self._begin, end)
        chunk = CutChunk(self._begin, samples, share, voiced=self._vad.track.packed(self._begin, end))
        self._drop_before(end)
        self._begin = None
        return chunk

    def _drop_before(self, position: int) -> None:
        self._buffer.drop_before(position)
        self._vad.track.drop_before(min(position, self._vad.position))

    @property
    def _silent_for(self) -> int:
        return self._vad.position - self._vad.speech_end


def _voice_of(chunk: CutChunk) -> NDArray[np.int16]:
    """Return the voice of a chunk without its pauses."""
    buffer = RollingBuffer(chunk.start)
    buffer.append(chunk.samples)
    begin, end = -(-chunk.start // WINDOW_SAMPLES) * WINDOW_SAMPLES, buffer.end // WINDOW_SAMPLES * WINDOW_SAMPLES
    stretches = VadTrack.unpacked(chunk.start, chunk.voiced).stretches(begin, end, _MARGIN)
    voice = [chunk.samples[first - chunk.start : last - chunk.start] for first, last in stretches]
    return np.concatenate([np.zeros(0, np.int16), *voice])
