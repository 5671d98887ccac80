#!/usr/bin/env python3
"""Keyterms: how many more of them are recognised, and what that does to the other words and to the cost.

The terms are chosen by a rule: the words of a recording's reference that have at least six letters and occur in at most
two recordings of the corpus. Each recording is decoded without keyterms, with its own, with its own among a hundred,
and with a hundred that it does not hold; by greedy drafts, finals, and files. Drafts go along no earlier draft. Cost is
processor time of the decoder alone, on one thread: encodings are computed once.
"""

import argparse
import functools
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jiwer
import numpy as np
from common import Clip, corpus_folder, utterances, write_result
from numpy.typing import NDArray
from rich.progress import Progress
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.engines import keyterms
from stt_transcriber.engines.onnx.engine import OnnxWhisperEngine
from stt_transcriber.models.store import default_models_dir, resolve

Floats = NDArray[np.float32]
LEAST_LETTERS = 6
MOST_RECORDINGS = 2
MANY = 100


@dataclass
class Score:
    """Counts over all recordings. ``invented``: keyterms written where something else, or nothing, was said."""

    terms: int = 0
    terms_wrong: int = 0
    others: int = 0
    others_wrong: int = 0
    invented: int = 0
    cpu_s: float = 0.0

    def add(self, said: list[str], heard: list[str], own: set[str], given: Sequence[str]) -> None:
        """Add one recording: words of its reference and its hypothesis, its own terms, and the keyterms given."""
        (alignment,) = jiwer.process_words(" ".join(said), " ".join(heard)).alignments
        right = {i for part in alignment if part.type == "equal" for i in range(part.ref_start_idx, part.ref_end_idx)}
        wrong = {i for part in alignment if part.type != "equal" for i in range(part.hyp_start_idx, part.hyp_end_idx)}
        for index, word in enumerate(said):
            if word in own:
                self.terms += 1
                self.terms_wrong += index not in right
            else:
                self.others += 1
                self.others_wrong += index not in right
        added = sum(p.hyp_end_idx - p.hyp_start_idx for p in alignment if p.type == "insert")
        self.others_wrong += added
        self.invented += sum(heard[index] in given for index in wrong)

    def row(self, audio_s: float) -> dict[str, Any]:
        return {
            "terms": self.terms,
            "terms_wrong": self.terms_wrong,
            "term_error_percent": round(100 * self.terms_wrong / max(1, self.terms), 2),
            "other_words": self.others,
            "other_words_wrong": self.others_wrong,
            "other_wer_percent": round(100 * self.others_wrong / max(1, self.others), 2),
            "wer_percent": round(100 * (self.terms_wrong + self.others_wrong) / max(1, self.terms + self.others), 2),
            "terms_invented": self.invented,
            "decoder_cpu_ms_per_audio_s": round(1000 * self.cpu_s / audio_s, 2),
        }


def rare_words(texts: Sequence[str]) -> set[str]:
    """The words that count as terms."""
    recordings = Counter(word for text in texts for word in set(text.split()))
    return {
        word
        for word, count in recordings.items()
        if len(word) >= LEAST_LETTERS and word.isalpha() and count <= MOST_RECORDINGS
    }


class KeptEncodings:
    """An encoder that encodes each recording once."""

    def __init__(self, encode: Callable[[Floats, float, int], Any]) -> None:
        self._encode = encode
        self._kept: dict[int, Any] = {}

    def __call__(self, samples: Floats, pad_s: float, tail: int) -> Any:
        key = hash(samples.tobytes())
        if key not in self._kept:
            self._kept[key] = self._encode(samples, pad_s, tail)
        return self._kept[key]


def encode_once(engine: OnnxWhisperEngine) -> None:
    """Make the engine keep its encodings: the same recordings are decoded again and again."""
    for whisper in (engine._whisper, engine._file_whisper):
        whisper.encode = KeptEncodings(whisper.encode)  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--language", default="en")
    parser.add_argument("--boost", type=float, nargs="+", default=[keyterms.BOOST])
    parser.add_argument("--least-probability", type=float, nargs="+", default=[math.exp(keyterms.LEAST_LOGPROB)])
    parser.add_argument("--quality", nargs="+", default=[quality.value for quality in Quality])
    parser.add_argument("--clips", type=int)
    parser.add_argument("--show", action="store_true", help="print the texts that differ")
    parser.add_argument("--out")
    args = parser.parse_args()
    clips = utterances(corpus_folder(args.corpus), args.language, args.clips)
    normalise = EnglishTextNormalizer() if args.language == "en" else BasicTextNormalizer()
    texts = [normalise(clip.text) for clip in clips]
    terms = rare_words(texts)
    own = [sorted(terms & set(text.split())) for text in texts]
    drawn = random.Random(1)
    others = [drawn.sample(sorted(terms - set(mine)), max(0, min(MANY, len(terms) - len(mine)))) for mine in own]
    given = {
        "own": own,
        f"own among {MANY}": [[*mine, *rest[: MANY - len(mine)]] for mine, rest in zip(own, others, strict=True)],
        f"{MANY} unused": others,
    }
    engine = OnnxWhisperEngine(resolve(args.model, default_models_dir()), model=args.model)
    encode_once(engine)
    score = functools.partial(scored, engine, args.language, clips, texts, own, normalise)
    plain: dict[str, Any] = {}
    rows = []
    with Progress() as progress:
        runs = [(boost, least) for boost in args.boost for least in args.least_probability]
        for quality in progress.track([Quality(value) for value in args.quality], description="without"):
            score(quality, [[] for _ in clips])  # encodes
            plain[quality.value], before = score(quality, [[] for _ in clips])
            for boost, least in progress.track(runs, description=quality.value):
                keyterms.BOOST, keyterms.LEAST_LOGPROB = boost, math.log(least)
                engine._keyterms.cache_clear()
                for name, phrases in given.items():
                    row, after = score(quality, phrases)
                    rows.append(
                        {"quality": quality.value, "boost": boost, "least_probability": round(least, 6), "given": name}
                        | row
                    )
                    print(
                        {k: v for k, v in rows[-1].items() if k not in ("terms", "other_words", "wer_percent")},
                        flush=True,
                    )
                    if args.show:
                        show(texts, before, after)
    write_result(
        args.out,
        "keyterms",
        {
            "model": args.model,
            "language": args.language,
            "clips": len(clips),
            "audio_s": round(sum(clip.duration_s for clip in clips), 1),
            "terms": len(terms),
            "without": plain,
            "with": rows,
        },
    )


def scored(
    engine: OnnxWhisperEngine,
    language: str,
    clips: Sequence[Clip],
    texts: Sequence[str],
    own: Sequence[Sequence[str]],
    normalise: Callable[[str], str],
    quality: Quality,
    given: Sequence[Sequence[str]],
) -> tuple[dict[str, Any], list[str]]:
    """Decode all recordings, each with the keyterms ``given``; return the figures and the texts."""
    score, heard = Score(), []
    for clip, text, mine, phrases in zip(clips, texts, own, given, strict=True):
        samples = (clip.samples / 32768).astype(np.float32)[: 30 * 16000]
        request = DecodeRequest(samples, language, quality=quality, keyterms=tuple(phrases))
        if phrases:
            engine._keyterms(request.keyterms)
        began = time.process_time()
        (hypothesis,) = engine.decode([request])
        score.cpu_s += time.process_time() - began
        heard.append(normalise(hypothesis.text))
        score.add(text.split(), heard[-1].split(), set(mine), phrases)
    return score.row(sum(clip.duration_s for clip in clips)), heard


def show(texts: Sequence[str], before: Sequence[str], after: Sequence[str]) -> None:
    for said, plain, biased in zip(texts, before, after, strict=True):
        if plain != biased:
            print(f"  said  {said}\n  plain {plain}\n  with  {biased}\n", flush=True)


if __name__ == "__main__":
    main()
