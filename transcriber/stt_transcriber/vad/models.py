"""VAD models: the probability of voice per window of a stream. One model per process, one state per session."""

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES

_log = structlog.get_logger()

Floats = NDArray[np.float32]


class VadModel(Protocol):
    """VAD state of one stream. Feed its windows in order and without gaps; not for use by two threads at once."""

    def probabilities(self, samples: Floats) -> Floats:
        """Return the probability of voice in each window, float32 [n] in 0…1.

        ``samples``: float32 [n * 512], 16 kHz in -1…1. Raises ValueError for an incomplete window. One call with n
        windows returns the same as n calls with one window each.
        """
        ...

    def state(self) -> bytes:
        """Return the state after the windows so far; opaque."""
        ...

    def restore(self, state: bytes) -> None:
        """Continue exactly from a ``state``.

        A state from another kind of model is ignored, with a warning: replicas may have different models installed.
        """
        ...


VadFactory = Callable[[], VadModel]
"""Factory of a new model for one stream; cheap, since the weights are shared."""


class SileroVad:
    """Silero's network (version 6, 16 kHz) with the weights from the file that faster-whisper ships.

    The state after loud speech masks quiet speech for minutes: in half an hour of recordings of very different
    loudness, a speaker 40 dB below the others was not detected at all. Therefore the state is reset at each pause.
    """

    _CONTEXT_SAMPLES = 64
    _STATE_SHAPE = (1, 1, 128)
    _QUIET_BELOW = 0.35
    _FORGETS_AFTER = 16
    """Windows without voice (0.5 s) after which the state is reset, once per pause. With more frequent resets, the
    model mistakes noise for voice more easily."""
    _AT_ONCE = 64
    """Most windows per run of the network; those after a reset must be processed again, so more would be wasted."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._context = np.zeros(self._CONTEXT_SAMPLES, np.float32)
        self._quiet = 0
        self._h = self._c = np.zeros(self._STATE_SHAPE, np.float32)

    def probabilities(self, samples: Floats) -> Floats:
        """See ``VadModel``."""
        windows = _windows(samples)
        probabilities: list[float] = []
        while len(probabilities) < len(windows):
            probabilities += self._until_reset(windows[len(probabilities) : len(probabilities) + self._AT_ONCE])
        return np.array(probabilities, np.float32)

    def _until_reset(self, windows: Floats) -> list[float]:
        """Return the probabilities of the windows up to the next reset of the state, or of all windows."""
        inputs = np.empty((len(windows), self._CONTEXT_SAMPLES + WINDOW_SAMPLES), np.float32)
        inputs[:, self._CONTEXT_SAMPLES :] = windows
        # The network expects the end of the previous window in front of each window.
        inputs[0, : self._CONTEXT_SAMPLES] = self._context
        inputs[1:, : self._CONTEXT_SAMPLES] = windows[:-1, -self._CONTEXT_SAMPLES :]
        output, h, c = self._session.run(None, {"input": inputs, "h": self._h, "c": self._c})
        probabilities: list[float] = output.reshape(-1).tolist()
        taken = self._quiet_until(probabilities)
        self._context = windows[taken - 1, -self._CONTEXT_SAMPLES :].copy()
        forgets = self._quiet == self._FORGETS_AFTER
        self._h, self._c = (np.zeros_like(h), np.zeros_like(c)) if forgets else (h, c)
        return probabilities[:taken]

    def _quiet_until(self, probabilities: list[float]) -> int:
        """Count the windows of the pause; return the number of windows up to where it is long enough for a reset, or of
        all windows."""
        quiet = self._quiet
        for index, probability in enumerate(probabilities):
            quiet = min(quiet + 1, self._FORGETS_AFTER + 1) if probability < self._QUIET_BELOW else 0
            if quiet == self._FORGETS_AFTER:
                self._quiet = quiet
                return index + 1
        self._quiet = quiet
        return len(probabilities)

    def state(self) -> bytes:
        """See ``VadModel``."""
        quiet = np.array([self._quiet], np.float32)
        return np.concatenate([self._h.reshape(-1), self._c.reshape(-1), self._context, quiet]).tobytes()

    def restore(self, state: bytes) -> None:
        """See ``VadModel``."""
        if len(state) != len(self.state()):
            _log.warning("vad state of another kind ignored", has=len(state), needs=len(self.state()))
            return
        values = np.frombuffer(state, np.float32)
        size = self._h.size
        self._h = values[:size].reshape(self._STATE_SHAPE).copy()
        self._c = values[size : 2 * size].reshape(self._STATE_SHAPE).copy()
        self._context = values[2 * size : -1].copy()
        self._quiet = int(values[-1])


class RmsVad:
    """Detector of loudness above an adaptive noise floor; needs no model.

    It is a fallback: it takes any sound well above the floor for voice, including breath and rustling between words,
    and misses quiet speech. Utterances end later or earlier than with Silero.
    """

    _SILENCE_DB = -60.0
    """Level below which there is no voice, however low the noise floor is."""
    _FLOOR_DB = (-62.0, -40.0)
    """Bounds of the floor, so that after a muted stretch the room's noise does not count as voice, and a loud start
    does not count as the floor."""
    _FLOOR_RISE_DB = 0.03
    """Rise per window, about 1 dB per second: slow enough that a long sentence does not become the floor."""
    _FLOOR_FALL = 0.15
    _EVEN_ODDS_DB = 12.0
    _SLOPE_DB = 2.0

    def __init__(self) -> None:
        self._floor_db: float | None = None

    def probabilities(self, samples: Floats) -> Floats:
        """See ``VadModel``."""
        power = np.mean(np.square(_windows(samples), dtype=np.float64), axis=1)
        levels_db = 10 * np.log10(np.maximum(power, 1e-10))
        return np.array([self._probability(float(level_db)) for level_db in levels_db], np.float32)

    def state(self) -> bytes:
        """See ``VadModel``."""
        return np.array([] if self._floor_db is None else [self._floor_db], np.float32).tobytes()

    def restore(self, state: bytes) -> None:
        """See ``VadModel``."""
        floor = np.frombuffer(state, np.float32)
        if len(floor) > 1:
            _log.warning("vad state of another kind ignored", has=len(state), needs=4)
            return
        self._floor_db = float(floor[0]) if len(floor) else None

    def _probability(self, level_db: float) -> float:
        lowest, highest = self._FLOOR_DB
        floor_db = level_db if self._floor_db is None else self._floor_db
        if level_db < floor_db:
            floor_db += self._FLOOR_FALL * (level_db - floor_db)
        else:
            floor_db += self._FLOOR_RISE_DB
        # Rounded as ``state`` stores it, so that a restored model continues exactly like the original.
        self._floor_db = float(np.float32(min(max(floor_db, lowest), highest)))
        if level_db < self._SILENCE_DB:
            return 0.0
        return float(1 / (1 + np.exp((self._EVEN_ODDS_DB - (level_db - self._floor_db)) / self._SLOPE_DB)))


def load_vad(kind: Literal["silero", "rms"]) -> VadFactory:
    """Load the weights and return a factory of models, one per session.

    Without Silero, onnx or ONNX Runtime, falls back to RMS, with a warning.
    """
    if kind == "rms":
        return RmsVad
    path = silero_path()
    if path is None or not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))):
        _log.warning("silero vad not installed, using rms", file_found=path is not None)
        return RmsVad
    return functools.partial(SileroVad, _silero_session(path))


def _windows(samples: Floats) -> Floats:
    if samples.ndim != 1 or len(samples) % WINDOW_SAMPLES:
        raise ValueError(f"samples of shape {samples.shape}: must be [n * {WINDOW_SAMPLES}]")
    return samples.reshape(-1, WINDOW_SAMPLES)


def silero_path() -> Path | None:
    """Return the path of Silero's file in faster-whisper; None when it is not installed.

    It is found without importing faster-whisper, which would load CTranslate2 too.
    """
    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "assets" / "silero_vad_v6.onnx"
    return path if path.is_file() else None


@functools.cache
def _silero_session(path: Path) -> Any:
    """Return the session that all streams share, since running it is thread-safe.

    It has one thread: five windows take only some 0.1 ms.
    """
    import onnxruntime

    from stt_transcriber.vad.silero_graph import silero_graph

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(silero_graph(path), options, providers=["CPUExecutionProvider"])
