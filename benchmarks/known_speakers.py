"""Known speakers: cosines of the mean voices of one person and of two, by which the threshold for a name was chosen.

Each speaker of the corpus is enrolled with 10 s of speech. What is compared are stretches of ``--seconds`` of other
phrases, as recorded and in another room: softer, with white noise 20 dB below the speech.
"""

import argparse
from typing import Any

import numpy as np
from common import corpus_folder, write_result
from conversations import Phrase, phrases_by_speaker
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.speakers.windows import sparse_windows_in
from stt_transcriber.models.store import default_models_dir
from stt_transcriber.speakers.base import SpeakerModel
from stt_transcriber.speakers.registry import LazySpeakerModel

Floats = NDArray[np.float32]
_NOISE_DB = -20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--seconds", type=float, nargs="+", default=[4.0, 10.0])
    parser.add_argument("--out")
    args = parser.parse_args()
    phrases = phrases_by_speaker(corpus_folder(args.corpus))
    model = LazySpeakerModel(default_models_dir()).get()
    rows = {f"{seconds:g} s": compared(model, phrases, seconds) for seconds in args.seconds}
    write_result(args.out, "known_speakers", {"by_length": rows})


def compared(model: SpeakerModel, phrases: dict[str, list[Phrase]], seconds: float) -> dict[str, Any]:
    """Return quantiles of the cosines between enrolment and stretch, of the same speaker and of two."""
    random = np.random.default_rng(17)
    enrolled, stretches = {}, {}
    for name, mine in phrases.items():
        parts = stretches_of(mine, 10.0, seconds)
        if len(parts) < 2:
            continue
        enrolled[name] = mean_voice(model, parts[0])
        stretches[name] = [
            mean_voice(model, spoken)
            for part in parts[1:9]
            for spoken in (part, [elsewhere(phrase, random) for phrase in part])
        ]
    same = [float(enrolled[name] @ voice) for name, mine in stretches.items() for voice in mine]
    different = [
        float(enrolled[name] @ voice) for name in enrolled for other in stretches if other != name
        for voice in stretches[other]
    ]  # fmt: skip
    return {
        "speakers": len(enrolled),
        "same": summary(same),
        "different": summary(different),
        "named": {
            f"{limit:.2f}": {
                "right": round(float(np.mean(np.array(same) >= limit)), 4),
                "wrong": round(float(np.mean(np.array(different) >= limit)), 5),
            }
            for limit in (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
        },
    }


def summary(cosines: list[float]) -> dict[str, float | int]:
    levels = (0, 1, 5, 50, 95, 99, 100)
    return {"count": len(cosines), **{f"p{at}": round(float(np.percentile(cosines, at)), 3) for at in levels}}


def stretches_of(phrases: list[Phrase], first_s: float, seconds: float) -> list[list[Floats]]:
    """Divide the phrases, in order, into a stretch of at least ``first_s`` and others of at least ``seconds``."""
    parts: list[list[Floats]] = [[]]
    for phrase in phrases:
        parts[-1].append(phrase.samples)
        long_enough = first_s if len(parts) == 1 else seconds
        if sum(len(samples) for samples in parts[-1]) >= long_enough * AUDIO_RATE_HZ:
            parts.append([])
    return parts[:-1]


def mean_voice(model: SpeakerModel, phrases: list[Floats]) -> Floats:
    """Return the mean voice of the windows of all phrases, float32 [d] of unit length."""
    parts = [sparse_windows_in([(0, len(samples))]) for samples in phrases]
    voices = [
        model.voices(samples, [window for _, window in mine]) for samples, mine in zip(phrases, parts, strict=True)
    ]
    total = np.concatenate(voices).sum(axis=0)
    return np.asarray(total / np.linalg.norm(total), np.float32)


def elsewhere(samples: Floats, random: np.random.Generator) -> Floats:
    """Return the speech at half its level with white noise under it."""
    level = float(np.sqrt(np.mean(samples**2))) * 10 ** (_NOISE_DB / 20)
    return np.asarray((samples + random.normal(0, level, len(samples))) * 0.5, np.float32)


if __name__ == "__main__":
    main()
