"""WeSpeaker's ResNet34, the speaker embedding of pyannote's community-1, on ONNX Runtime.

The network turns log-mel features into a map of 8 features per second and channel, pools a stretch of it (mean and
deviation) and projects that to 256 numbers. The costly part is the map. Here it is computed once for speech without a
pause, and each window pools its part of it, so windows that overlap cost nothing. It is computed in 8 bits.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stt_transcriber.core.audio.vad_track import Span
from stt_transcriber.core.speakers.features import FRAME_LENGTH, FRAME_SHIFT, kaldi_features
from stt_transcriber.models.registry import SPEAKER_MODEL_FILE
from stt_transcriber.speakers.int8 import Ranges, in_int8

Floats = NDArray[np.float32]

RANGES = Path(__file__).with_name("resnet_ranges.json")
"""Least and greatest numbers of the tensors that are computed in 8 bits; written by benchmarks/speaker_model.py."""
_MAP = "/resnet/pool/Reshape_output_0"
_COLUMN = 8 * FRAME_SHIFT
"""Samples per column of the map: the network halves the number of frames three times."""
_FEWEST_COLUMNS = 2
_PROVIDERS = ["CPUExecutionProvider"]


class ResnetVoices:
    """See ``SpeakerModel``. ``weight``: float32 [256, 2 m], ``bias``: float32 [256], for maps of m rows."""

    def __init__(self, session: Any, weight: Floats, bias: Floats) -> None:
        self._session = session
        self._weight = weight
        self._bias = bias

    def voices(self, samples: Floats, windows: Sequence[Span]) -> Floats:
        """See ``SpeakerModel``."""
        found: list[Floats] = []
        for run in _runs(windows):
            begin = run[0][0]
            features = kaldi_features(samples[begin : max(run[-1][1], begin + FRAME_LENGTH)])
            # The mean of the features is that of the microphone and the room more than of the voice.
            centred = features - features.mean(axis=0)
            columns = self._session.run(None, {"fbank": centred[None]})[0][0]
            found += [self._pooled(columns, start - begin, end - begin) for start, end in run]
        return np.stack(found) if found else np.zeros((0, len(self._bias)), np.float32)

    def _pooled(self, columns: Floats, start: int, end: int) -> Floats:
        """Return the voice in a range of samples of a map, float32 [m, columns]."""
        first = min(round(start / _COLUMN), max(0, columns.shape[1] - _FEWEST_COLUMNS))
        part = columns[:, first : max(first + _FEWEST_COLUMNS, round(end / _COLUMN))]
        deviation = part.std(axis=1, ddof=1) if part.shape[1] > 1 else np.zeros(len(part), np.float32)
        voice = self._weight @ np.concatenate([part.mean(axis=1), deviation]) + self._bias
        return np.asarray(voice / np.linalg.norm(voice), np.float32)


@dataclass(frozen=True)
class Network:
    """The network in float32. ``maps``: from features to the map; ``weight``, ``bias``: see ``ResnetVoices``."""

    maps: onnx.ModelProto
    weight: Floats
    bias: Floats

    def ready(self) -> ResnetVoices:
        """Return the model with the network as it is."""
        session = onnxruntime.InferenceSession(self.maps.SerializeToString(), _options(), providers=_PROVIDERS)
        return ResnetVoices(session, self.weight, self.bias)

    def in_int8(self, ranges: Ranges) -> "Network":
        """Return it with the tensors of ``ranges`` in 8 bits."""
        return replace(self, maps=in_int8(self.maps, ranges))


def load(folder: Path) -> ResnetVoices:
    """Load the model from a folder of the store. Raises OSError or RuntimeError for a file that cannot be used."""
    return network(folder).in_int8(json.loads(RANGES.read_text())).ready()


def network(folder: Path) -> Network:
    """Load the network in float32. Raises as ``load`` does."""
    model = _as_onnx(folder / SPEAKER_MODEL_FILE)
    values = {tensor.name: tensor for tensor in model.graph.initializer}
    projection = next(node for node in model.graph.node if node.op_type == "Gemm")
    weight, bias = (np.asarray(numpy_helper.to_array(values[name]), np.float32) for name in projection.input[1:])
    model.graph.output.append(helper.make_tensor_value_info(_MAP, TensorProto.FLOAT, None))
    return Network(onnx.utils.Extractor(model).extract_model(["fbank"], [_MAP]), weight, bias)


def _as_onnx(path: Path) -> onnx.ModelProto:
    """Return the network of a file in ONNX Runtime's format.

    That format cannot be cut, and runs in nearly twice the time: it is not rearranged for the processor.
    """
    with tempfile.TemporaryDirectory(prefix="stt-speakers-") as scratch:
        plain, folded = Path(scratch) / "plain.onnx", Path(scratch) / "folded.onnx"
        # Of a file in that format, constants are not folded either: it is saved as it is, and then once more.
        _save(path, plain, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
        _save(plain, folded, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
        return onnx.load(folded)


def _save(path: Path, target: Path, level: Any) -> None:
    options = _options()
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ONNX")
    onnxruntime.InferenceSession(str(path), options, providers=_PROVIDERS)


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    # One chunk takes one thread, as its decode does.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return options


def _runs(windows: Sequence[Span]) -> Iterator[list[Span]]:
    """Yield the windows in groups that cover their stretch without a gap."""
    run: list[Span] = []
    for window in windows:
        if run and window[0] > run[-1][1]:
            yield run
            run = []
        run.append(window)
    if run:
        yield run
