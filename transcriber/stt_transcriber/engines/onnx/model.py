"""Building blocks of a decode with Whisper on ONNX Runtime.

Windows are encoded one by one and decoded in batches.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from stt_transcriber.engines.onnx.ct2_weights import as_float, read_weights
from stt_transcriber.engines.onnx.graphs import decoder_graph, encoder_graph, marks_graph, words_graph
from stt_transcriber.engines.onnx.nodes import shape_of
from stt_transcriber.engines.window import MAX_POSITIONS, MAX_SAMPLES, POSITION_SAMPLES, padded

Floats = NDArray[np.float32]
NEVER = np.float32(-1e9)
"""Value added to a score that must not count; a real infinity would make a row of only such scores undefined."""
NOTHING: NDArray[np.int64] = np.zeros(0, np.int64)
_MOST_SILENCE = 128
"""Maximum number of positions that stand for the silence after a window."""
_POSITIONS_AXIS = {"ck": 3, "cv": 2, "bk": 1, "bv": 1, "sk": 2, "sv": 2}
"""Axis of the positions in the parts of an encoding and of the silence, by the beginning of their names; other parts
have none."""


@dataclass(frozen=True)
class Encoding:
    """The decoder's view of a window.

    ``parts``: the decoder's inputs by name (see ``decoder_graph``), each for one window of T positions; ``weight``:
    float32 [T], added to the scores. The first ``positions`` belong to the window itself, the rest is silence.
    """

    parts: dict[str, NDArray[Any]]
    weight: Floats
    positions: int

    def between(self, begin: int, end: int) -> "Encoding":
        """Return a view in which the decoder sees only these positions of the window, and the silence after it."""
        weight = self.weight.copy()
        weight[:begin] = NEVER
        weight[end : self.positions] = NEVER
        return replace(self, weight=weight)


class Choices(NamedTuple):
    """Tokens that may follow each of m texts.

    ``tokens``: the best ones, int64 [m, count], in descending order of their ``logprobs``, float32 [m, count];
    ``answers``: log-probabilities of the k tokens that were asked for, float32 [m, k].
    """

    tokens: NDArray[np.int64]
    logprobs: Floats
    answers: Floats

    def best(self, count: int) -> "Choices":
        """Return only the ``count`` best tokens."""
        return Choices(self.tokens[:, :count], self.logprobs[:, :count], self.answers)


class OnnxWhisper:
    """One model; all methods may be called from several threads at once.

    ``folder`` contains CTranslate2's model.bin and config.json; ``end`` and ``no_speech`` are tokens. Raises
    WeightsError, OSError, KeyError for a config without alignment heads, and whatever ONNX Runtime raises for graphs
    that it cannot run.
    """

    _arena = False

    def __init__(self, folder: Path, *, end: int, no_speech: int, threads: int = 1) -> None:
        config = json.loads((folder / "config.json").read_text())
        weights = read_weights(folder / "model.bin")
        self.shape = shape_of(weights)
        heads = [(int(layer), int(head)) for layer, head in config["alignment_heads"]]
        self._encoder, self._decoder, self._words, self._marks = (
            new_session(graph, threads, arena=self._arena)
            for graph in (
                encoder_graph(weights),
                decoder_graph(weights, heads),
                words_graph(weights, end, config["suppress_ids"]),
                marks_graph(weights, end),
            )
        )
        self._first_mark = end + 1
        self._no_speech = no_speech
        # Only single rows are needed, never all of them, so the embeddings stay in the file.
        self._embeddings = weights["decoder/embeddings/weight"]
        self._embedding_scale = weights.get("decoder/embeddings/weight_scale")
        self._position_embeddings = as_float(weights, "decoder/position_encodings/encodings")
        self._features = FeatureExtractor(feature_size=self.shape.mels)
        layers = range(self.shape.decoder_layers)
        self._encoded = [f"{part}{i}" for part in ("ck", "cv", "ks", "vs") for i in layers]
        self._decoded = ["states", "attention", *(f"{part}{i}" for part in ("k", "v") for i in layers)]
        self._silence = self._encoded_silence()

    @property
    def longest_text(self) -> int:
        """Maximum number of tokens in a decode, including the prompt."""
        return len(self._position_embeddings)

    def encode(self, samples: Floats, pad_s: float, tail: int) -> Encoding:
        """Encode a window.

        ``samples``: float32 [n], 16 kHz, at most 30 s; ``pad_s``: seconds of zeros appended before the mel spectrogram
        is computed; ``tail``: positions of cached silence that the encoder and the decoder see after them.

        Neighbouring positions of silence hardly differ, so in a long tail one position stands for several, with their
        total weight. A short tail, after a long window, is used in full: that is where the decoder is least sure.
        """
        window, positions, silence, weight = self._laid_out(samples, pad_s, tail)
        feed = {"mel": self._mel(window)}
        for name, part in self._silence.items():
            feed[name] = part[(slice(None),) * _POSITIONS_AXIS[name[:2]] + (silence,)]
        self._weigh(feed, weight[positions:])
        return Encoding(
            dict(zip(self._encoded, self._encoder.run(self._encoded, feed), strict=True)), weight, positions
        )

    def batch(self, encodings: Sequence[Encoding]) -> "Batch":
        """Start decoding windows together."""
        return Batch(self, encodings)

    def embed(self, tokens: NDArray[np.int64], positions: NDArray[np.int64]) -> Floats:
        """Embed ``tokens`` at their ``positions``: int64 [B, n] each -> float32 [B, n, width]."""
        rows = self._embeddings[tokens].astype(np.float32)
        if self._embedding_scale is not None:
            rows /= self._embedding_scale[tokens][..., None]
        return rows + self._position_embeddings[np.minimum(positions, len(self._position_embeddings) - 1)]

    def decode(self, feed: dict[str, Any]) -> list[Floats]:
        """Run the decoder graph and return states, attention, then the caches."""
        outputs: list[Floats] = self._decoder.run(self._decoded, feed)
        return outputs

    def choose(self, states: Floats, count: int, asked: NDArray[np.int64] = NOTHING) -> Choices:
        """Return the ``count`` best text tokens after each of the ``states``, float32 [m, width]."""
        feed = {"states": states, "count": np.array([count]), "asked": asked}
        return Choices(*self._words.run(["tokens", "logprobs", "answers"], feed))

    def no_speech_prob(self, state: Floats) -> float:
        """Return Whisper's no-speech probability; ``state``: float32 [width], of the start-of-transcript token."""
        return self.open(state[None][:0], state[None], 1)[1][0]

    def open(
        self, states: Floats, starts: Floats, count: int, asked: NDArray[np.int64] = NOTHING
    ) -> tuple[Choices, list[float]]:
        """Run ``choose``, and ``no_speech_prob`` for ``starts`` float32 [k, width], in one run of the vocabulary."""
        feed = {"states": np.concatenate([states, starts]), "count": np.array([count]), "asked": asked}
        tokens, logprobs, answers, highest = self._words.run(["tokens", "logprobs", "answers", "highest"], feed)
        rows = len(states)
        marks = self._marks.run(["scores"], {"states": starts})[0]
        totals = np.logaddexp(np.logaddexp.reduce(marks, axis=1), (highest - logprobs)[rows:, 0])
        nobody = np.exp(marks[:, self._no_speech - self._first_mark] - totals)
        return Choices(tokens[:rows], logprobs[:rows], answers[:rows]), nobody.tolist()

    def languages(self, encoding: Encoding, start: int, tokens: Sequence[int]) -> Floats:
        """Return the share of each of the language ``tokens``; ``start`` is the start-of-transcript token."""
        marks = self._marks.run(["scores"], {"states": self._opened(encoding, start)})[0][0]
        scores = marks[np.asarray(tokens) - self._first_mark]
        shares: Floats = np.exp(scores - np.logaddexp.reduce(scores))
        return shares

    def no_speech_in(self, encoding: Encoding, start: int) -> float:
        """Return Whisper's no-speech probability of an encoding, after ``start`` alone."""
        return self.no_speech_prob(self._opened(encoding, start)[0])

    def _opened(self, encoding: Encoding, start: int) -> Floats:
        """Return the state after the start-of-transcript token, float32 [1, width]."""
        states, _ = self.batch([encoding]).run(
            np.array([[start]]), np.zeros((1, 1), np.int64), np.ones((1, 1, 1), np.bool_)
        )
        first: Floats = states[0]
        return first

    def _laid_out(self, samples: Floats, pad_s: float, tail: int) -> tuple[Floats, int, slice, Floats]:
        """Return the padded window, its position count, the positions of silence after it, and the weights of both."""
        window = padded(samples, pad_s)
        positions = len(window) // POSITION_SAMPLES
        end = min(positions + tail, MAX_POSITIONS)
        stride = max(1, -(-(end - positions) // _MOST_SILENCE))
        silence = slice(positions + stride // 2, end, stride)
        count = len(range(*silence.indices(MAX_POSITIONS)))
        weight = np.zeros(positions + count, np.float32)
        weight[positions:] = np.log(stride)
        return window, positions, silence, weight

    def _encoded_silence(self) -> dict[str, Floats]:
        """Encode 30 s of silence and return it as the encoder's inputs by name."""
        shape = self.shape
        names = {f"b{of}{i}": f"e{of}{i}" for of in "kv" for i in range(shape.encoder_layers)}
        names |= {f"s{of}{i}": f"f{of}{i}" for of in "kv" for i in range(shape.decoder_layers)}
        sizes = {"bk": (1, 0, shape.width + shape.heads), "bv": (1, 0, shape.width)}
        heads = (1, shape.heads, 0, shape.head_width)
        feed = {name: np.zeros(sizes.get(name[:2], heads), np.float32) for name in names}
        feed["mel"] = self._mel(np.zeros(MAX_SAMPLES, np.float32))
        return dict(zip(names, self._encoder.run(list(names.values()), feed), strict=True))

    def _weigh(self, feed: dict[str, Floats], weight: Floats) -> None:
        """Set the weights, float32 [m], of the silence that the encoder sees."""
        head_width = self.shape.head_width
        for i in range(self.shape.encoder_layers):
            feed[f"bk{i}"] = keys = feed[f"bk{i}"].copy()
            keys[..., head_width :: head_width + 1] = weight[:, None] * np.float32(head_width**0.5)

    def _mel(self, window: Floats) -> Floats:
        return np.ascontiguousarray(self._features(window, padding=0)[None], np.float32)


class Batch:
    """Windows decoded together: their encodings and the attention cache of the ``columns`` tokens so far."""

    lanes = 1
    """Encodings are padded to a multiple of this number of positions."""

    def __init__(self, model: OnnxWhisper, encodings: Sequence[Encoding]) -> None:
        self._model = model
        self._feed = self._encoded(encodings)
        shape = model.shape
        nothing = np.zeros((len(encodings), shape.heads, 0, shape.head_width), np.float32)
        for i in range(shape.decoder_layers):
            self._feed[f"pk{i}"] = self._feed[f"pv{i}"] = nothing
        self.columns = 0

    def _encoded(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[Any]]:
        longest = -(-max(len(encoding.weight) for encoding in encodings) // self.lanes) * self.lanes
        weight = np.full((len(encodings), 1, 1, longest), NEVER, np.float32)
        for row, encoding in enumerate(encodings):
            weight[row, 0, 0, : len(encoding.weight)] = encoding.weight
        feed: dict[str, NDArray[Any]] = {"weight": weight}
        for name in encodings[0].parts:
            parts = [encoding.parts[name] for encoding in encodings]
            axis = _POSITIONS_AXIS.get(name[:2])
            feed[name] = np.concatenate(parts) if axis is None else _stacked(parts, axis, longest)
        return feed

    def run(
        self, tokens: NDArray[np.int64], positions: NDArray[np.int64], seen: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """Append tokens, int64 [B, n], at ``positions`` of their texts [B, n].

        ``seen``: [B, n, columns + n], the columns that each token attends to, including its own. Returns states float32
        [B, n, width] and attention over the encoding float32 [B, n, T].
        """
        self._feed["x"] = self._model.embed(tokens, positions)
        self._feed["mask"] = np.where(seen, np.float32(0), NEVER)[:, None]
        states, attention, *caches = self._model.decode(self._feed)
        layers = self._model.shape.decoder_layers
        for i in range(layers):
            self._feed[f"pk{i}"], self._feed[f"pv{i}"] = caches[i], caches[layers + i]
        self.columns += tokens.shape[1]
        return states, attention


def _stacked(parts: list[NDArray[Any]], axis: int, length: int) -> NDArray[Any]:
    if len(parts) == 1 and parts[0].shape[axis] == length:
        return parts[0]
    shape = [len(parts), *parts[0].shape[1:]]
    shape[axis] = length
    stacked = np.zeros(shape, parts[0].dtype)
    for row, part in enumerate(parts):
        kept = [slice(None)] * part.ndim
        kept[axis] = slice(0, part.shape[axis])
        stacked[row : row + 1][tuple(kept)] = part
    return stacked


def new_session(graph: bytes, threads: int, *, arena: bool = False) -> onnxruntime.InferenceSession:
    """Create a session for a graph.

    ``arena``: keep the memory of each run for the next, as much as any of them ever needed.
    """
    options = onnxruntime.SessionOptions()
    # Makes sums exact on CPUs without VNNI, whose faster int8 kernels saturate intermediate sums; elsewhere it changes
    # nothing.
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = arena
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
