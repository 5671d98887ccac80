"""The speaker model in 8 bits beside float32: how alike their voices are, and what a second of speech costs.

``--write`` first measures the ranges of its tensors, which are part of the code, on the speakers on whom thresholds
were chosen. What is compared are windows of the others. Costs are processor time, computed alternately; of all windows
the least, as other work on the machine only adds to it.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence

# As in a transcriber, where several threads of numpy would only wait for each other: before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import onnxruntime
from common import corpus_folder, write_result
from conversations import Phrase, phrases_by_speaker
from numpy.typing import NDArray
from onnx import TensorProto, helper
from speakers import CHOSEN

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.speakers.features import kaldi_features
from stt_transcriber.core.speakers.windows import WINDOW
from stt_transcriber.models.registry import SPEAKER_MODEL
from stt_transcriber.models.store import default_models_dir, resolve
from stt_transcriber.speakers.resnet import RANGES, Network, load, network

Floats = NDArray[np.float32]
_EACH = 8
"""Windows of each speaker."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--write", action="store_true", help="write the ranges into the code")
    parser.add_argument("--out")
    args = parser.parse_args()
    phrases = phrases_by_speaker(corpus_folder(args.corpus))
    folder = resolve(SPEAKER_MODEL, default_models_dir())
    exact = network(folder)
    if args.write:
        ranges = ranges_of(exact, windows_of(phrases, [name for name in phrases if name in CHOSEN]))
        lines = [f"{json.dumps(name)}: {json.dumps(range_)}" for name, range_ in ranges.items()]
        RANGES.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    models = {"float32": exact.ready(), "int8": load(folder)}
    windows = windows_of(phrases, [name for name in phrases if name not in CHOSEN])
    voices: dict[str, list[Floats]] = {name: [] for name in models}
    costs: dict[str, list[float]] = {name: [] for name in models}
    for window in windows:
        for name, model in models.items():
            began_s = time.process_time()
            voices[name].append(model.voices(window, [(0, WINDOW)])[0])
            costs[name].append((time.process_time() - began_s) * AUDIO_RATE_HZ / WINDOW)
    cosines = [float(one @ other) for one, other in zip(*voices.values(), strict=True)]
    write_result(
        args.out,
        "speaker_model",
        {
            "windows": len(windows),
            "cosine": {"mean": round(float(np.mean(cosines)), 4), "least": round(min(cosines), 4)},
            "core_s_per_s_of_speech": {name: round(min(mine), 4) for name, mine in costs.items()},
        },
    )


def windows_of(phrases: Mapping[str, Sequence[Phrase]], names: Sequence[str]) -> list[Floats]:
    """Return windows of each speaker's phrases, float32 [WINDOW] each, from all over them."""
    found = []
    for name in names:
        speech = np.concatenate([phrase.samples for phrase in phrases[name]])
        starts = np.linspace(0, len(speech) - WINDOW, min(_EACH, len(speech) // WINDOW)).astype(int)
        found += [speech[start : start + WINDOW] for start in starts]
    return found


def ranges_of(exact: Network, windows: Sequence[Floats]) -> dict[str, list[float]]:
    """Return the least and the greatest number of each tensor, on average over the windows.

    The extremes of all windows would leave fewer levels for all the others. A tensor that a rectifier follows is left
    out, and so is the input, which is of one channel only: its convolution costs little.
    """
    nodes = exact.maps.graph.node
    rectified = {node.input[0] for node in nodes if node.op_type == "Relu"}
    names = [node.output[0] for node in nodes if node.op_type in ("Conv", "Add", "Relu")]
    names = [name for name in names if name not in rectified]
    model = type(exact.maps).FromString(exact.maps.SerializeToString())
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    extremes = []
    for window in windows:
        features = kaldi_features(window)
        tensors = session.run(names, {"fbank": (features - features.mean(axis=0))[None]})
        extremes.append([(min(0.0, float(tensor.min())), float(tensor.max())) for tensor in tensors])
    means = np.mean(extremes, axis=0)
    return {name: [round(float(low), 3), round(float(high), 3)] for name, (low, high) in zip(names, means, strict=True)}


if __name__ == "__main__":
    main()
