"""The engine alone: what encoding and decoding cost by window, pad, tail, guess and batch, how often windows cut in
mid-speech loop, and by how many words their text differs from that of the same window padded to 30 s.

Costs are processor time of this process on one thread, so that a busy machine disturbs them less than wall time would.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from common import Clip, corpus_folder, utterances, write_result
from numpy.typing import NDArray
from whisper_normalizer.basic import BasicTextNormalizer

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Memory, Quality
from stt_transcriber.engines import window
from stt_transcriber.engines.base import Engine
from stt_transcriber.engines.ctranslate2 import engine as faster_whisper
from stt_transcriber.engines.onnx import engine as onnx_whisper
from stt_transcriber.engines.onnx import greedy
from stt_transcriber.engines.window import MAX_POSITIONS, Recipe
from stt_transcriber.models.store import default_models_dir, resolve

WINDOWS_S = (2.0, 4.0, 6.0, 8.0)
PADS_S = (0.2, 0.5, 1.0, 2.0)
TAILS = (0, 400, MAX_POSITIONS)
BATCHES = (1, 2, 4, 8)
TICK_S = 0.5
SURENESS = (1.0, 0.6, 0.5, 0.4, 0.3)
"""Of every token of a greedy text, for which no better one is searched; 1: all are searched."""
_normalise = BasicTextNormalizer()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--language", default="en")
    parser.add_argument("--clips", type=int, default=12, help="recordings that windows are cut from")
    parser.add_argument("--out")
    args = parser.parse_args()
    clips = [clip for clip in utterances(corpus_folder(args.corpus), args.language) if clip.duration_s > 4]
    clips = clips[:: max(1, len(clips) // args.clips)][: args.clips]
    folder = resolve(args.model, default_models_dir())
    own = onnx_whisper.OnnxWhisperEngine(folder, model=args.model, max_batch=max(BATCHES))
    ct2 = faster_whisper.FasterWhisperEngine(
        folder, model=args.model, device="cpu", compute_type="int8", workers=1, threads=1
    )
    engines: dict[str, Engine] = {own.name: own, ct2.name: ct2}
    write_result(
        args.out,
        "engine",
        {
            "model": args.model,
            "language": args.language,
            "clips": len(clips),
            "audio_s": round(sum(clip.duration_s for clip in clips), 1),
            "encode_ms": encode_costs(folder, own, ct2),
            "draft_ms_by_tick": {name: draft_costs(engine, clips, args.language) for name, engine in engines.items()},
            "draft_ms_by_batch": batch_costs(own, clips, args.language),
            "final": {name: final_figures(engine, clips, args.language) for name, engine in engines.items()},
            "finals_by_sureness": list(sureness_figures(own, clips, args.language)),
            "drafts_by_pad_and_tail": list(recipe_figures(own, ct2, clips, args.language)),
        },
    )


def encode_costs(
    folder: Path, own: onnx_whisper.OnnxWhisperEngine, ct2: faster_whisper.FasterWhisperEngine
) -> list[dict[str, float]]:
    """Without pad or tail; the best of five."""
    rng = np.random.default_rng(0)
    rows = []
    for seconds in (*WINDOWS_S, 12.0, 30.0):
        samples = rng.normal(0, 0.1, int(seconds * AUDIO_RATE_HZ)).astype(np.float32)
        row = {"window_s": seconds}
        encoders: dict[str, Callable[..., object]] = {
            "onnxruntime": own._whisper.encode,
            "faster-whisper": ct2._encoder.encode,
        }
        for name, encode in encoders.items():
            row[name] = round(min(cpu_ms(partial(encode, samples, 0.0, 0)) for _ in range(5)), 1)
        rows.append(row)
    return rows


def draft_costs(engine: Engine, clips: list[Clip], language: str) -> dict[str, float]:
    """A window that grows by a tick to eight seconds, along the last draft (where the engine can) and without."""
    costs = {}
    for name, remembers in (("along the last draft", True), ("alone", False)):
        took, count = 0.0, 0
        for clip in clips:
            memory = Memory() if remembers else None
            for end in growing(clip):
                request = DecodeRequest(as_float(clip)[:end], language, memory=memory)
                took += cpu_ms(partial(engine.decode, [request]))
                count += 1
        costs[name] = round(took / count, 1)
    return costs


def batch_costs(own: onnx_whisper.OnnxWhisperEngine, clips: list[Clip], language: str) -> list[dict[str, float]]:
    """Windows of four seconds and their drafts half a second later, together; per window."""
    rows = []
    for size in BATCHES:
        took = {"along the last draft": 0.0, "alone": 0.0}
        windows = [as_float(clips[i % len(clips)]) for i in range(size)]
        for name, remembers in (("along the last draft", True), ("alone", False)):
            memories = [Memory() if remembers else None for _ in windows]
            before = [
                DecodeRequest(w[: 4 * AUDIO_RATE_HZ], language, memory=m)
                for w, m in zip(windows, memories, strict=True)
            ]
            own.decode(before)
            after = [
                DecodeRequest(w[: int(4.5 * AUDIO_RATE_HZ)], language, memory=m)
                for w, m in zip(windows, memories, strict=True)
            ]
            kept = [memory.kept if memory else None for memory in memories]
            best = float("inf")
            for _ in range(3):
                for memory, what in zip(memories, kept, strict=True):
                    if memory:
                        memory.kept = what
                best = min(best, cpu_ms(partial(own.decode, after)))
            took[name] = round(best / size, 1)
        rows.append({"batch": size, **took})
    return rows


def final_figures(engine: Engine, clips: list[Clip], language: str) -> dict[str, float]:
    """Whole recordings, beam search."""
    texts: list[str] = []
    took = 0.0
    for clip in clips:
        samples = as_float(clip)[: 30 * AUDIO_RATE_HZ]
        hypothesis, took_ms = decoded(engine, DecodeRequest(samples, language, quality=Quality.FULL))
        took += took_ms
        texts.append(hypothesis.text)
    return {
        "cpu_s_per_audio_s": round(took / 1000 / sum(min(30.0, clip.duration_s) for clip in clips), 4),
        "word_error_rate": rate([clip.text for clip in clips], texts),
    }


def sureness_figures(
    own: onnx_whisper.OnnxWhisperEngine, clips: list[Clip], language: str
) -> Iterator[dict[str, float]]:
    """Whole recordings, alone and along the drafts of their first eight seconds."""
    shipped, sure = onnx_whisper._SURE, greedy.sure
    found: list[bool] = []

    def counted(*asked: Any) -> Any:
        text = sure(*asked)
        found.append(text is not None)
        return text

    try:
        greedy.sure = counted  # type: ignore[assignment]
        for least in SURENESS:
            onnx_whisper._SURE = math.log(least)
            found.clear()
            texts: list[str] = []
            took = {"alone": 0.0, "along drafts": 0.0}
            for clip in clips:
                samples, memory = as_float(clip)[: 30 * AUDIO_RATE_HZ], Memory()
                for end in growing(clip):
                    own.decode([DecodeRequest(samples[:end], language, memory=memory)])
                for name, remembered in (("along drafts", memory), ("alone", None)):
                    final = DecodeRequest(samples, language, quality=Quality.FULL, memory=remembered)
                    hypothesis, took_ms = decoded(own, final)
                    took[name] += took_ms
                    texts.append(hypothesis.text)
            yield {
                "sureness": least,
                "not_searched": round(sum(found) / len(found), 2),
                "cpu_ms_alone": round(took["alone"] / len(clips), 1),
                "cpu_ms_along_drafts": round(took["along drafts"] / len(clips), 1),
                "word_error_rate": rate([clip.text for clip in clips], texts[1::2]),
            }
    finally:
        onnx_whisper._SURE, greedy.sure = shipped, sure


def recipe_figures(
    own: onnx_whisper.OnnxWhisperEngine, ct2: faster_whisper.FasterWhisperEngine, clips: list[Clip], language: str
) -> Iterator[dict[str, Any]]:
    """Drafts of windows cut in mid-speech, by pad and tail, and the greedy decode of the window padded to 30 s."""
    cuts = [as_float(clip)[:end] for clip in clips for end in growing(clip)][::3]
    shipped = dict(onnx_whisper.RECIPES), dict(window.RECIPES)
    try:
        window.RECIPES[Quality.DRAFT] = Recipe(30.0, 0, 1)
        full = [ct2.decode([DecodeRequest(cut, language)])[0].text for cut in cuts]
        for pad_s in PADS_S:
            for tail in TAILS:
                onnx_whisper.RECIPES[Quality.DRAFT] = Recipe(pad_s, tail, 1)
                heard = [decoded(own, DecodeRequest(cut, language)) for cut in cuts]
                yield {
                    "pad_s": pad_s,
                    "tail": tail,
                    "windows": len(cuts),
                    "loops": sum(hypothesis.truncated for hypothesis, _ in heard),
                    "words_that_differ": rate(full, [hypothesis.text for hypothesis, _ in heard]),
                    "cpu_ms": round(sum(took_ms for _, took_ms in heard) / len(cuts), 1),
                }
    finally:
        for module, recipes in zip((onnx_whisper, window), shipped, strict=True):
            module.RECIPES.update(recipes)


def growing(clip: Clip) -> range:
    """Ends of a window from one second to eight."""
    return range(AUDIO_RATE_HZ, min(len(clip.samples), 8 * AUDIO_RATE_HZ), int(TICK_S * AUDIO_RATE_HZ))


def as_float(clip: Clip) -> NDArray[np.float32]:
    return clip.samples.astype(np.float32) / np.float32(32768)


def rate(references: list[str], texts: list[str]) -> float:
    pairs = [(r, _normalise(t)) for r, t in zip(map(_normalise, references), texts, strict=True) if r]
    return round(float(jiwer.wer([r for r, _ in pairs], [t for _, t in pairs])), 4)


def decoded(engine: Engine, request: DecodeRequest) -> tuple[Hypothesis, float]:
    """The hypothesis, and its processor time in milliseconds."""
    began = time.process_time()
    (hypothesis,) = engine.decode([request])
    return hypothesis, (time.process_time() - began) * 1000


def cpu_ms(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


if __name__ == "__main__":
    main()
