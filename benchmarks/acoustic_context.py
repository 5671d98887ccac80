#!/usr/bin/env python3
"""What finals would gain from hearing the audio before the cut that they begin after.

The recordings are played once as one live session by the pure core (live_core.py). Then its finals are decoded again,
in order, with the cuts as they were: as in the session, and with up to some seconds of the audio before the cut, whose
words the decoder is told to have written already. Only where the cut was in speech: the final before ends less than
``--gap-ms`` earlier, silence on both sides of the cut not counted. The same recordings as one file for comparison.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jiwer
import numpy as np
from common import AUDIO_RATE_HZ, corpus_folder, utterances, write_result
from live_core import Parts, as_file, play, with_gaps
from long_session import errors
from numpy.typing import NDArray

from stt_cli.bench.packages import normaliser
from stt_shared.contracts.events import Final
from stt_shared.contracts.session import Endpointing, SessionConfig
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Quality
from stt_transcriber.core.live.policy import LivePolicy, TurnPolicy
from stt_transcriber.core.text.agreement import PlacedWord, placed_words
from stt_transcriber.core.text.join import join_words
from stt_transcriber.engines.onnx.engine import RECIPES, OnnxWhisperEngine
from stt_transcriber.engines.onnx.scored_text import ScoredText
from stt_transcriber.engines.request import LONGEST_S
from stt_transcriber.engines.window import POSITION_SAMPLES
from stt_transcriber.engines.words import timed_words
from stt_transcriber.models.store import default_models_dir, resolve
from stt_transcriber.turn.model import load_turn_model
from stt_transcriber.vad.models import load_vad

_PER_MS = AUDIO_RATE_HZ // 1000
_LEAD = AUDIO_RATE_HZ // 10
"""Audio before the first word that is told: words begin softly, and their times vary."""
_FIRST_WORDS = 3
"""Words after a cut that are counted by themselves."""


class ContextEngine(OnnxWhisperEngine):
    """The engine of live sessions, which notes the ranges of finals and can be told what was said before one.

    ``begins``: where the finals begin that were asked for, in order.
    """

    def __init__(self, model: str) -> None:
        super().__init__(resolve(model, default_models_dir()), model=model, workers=1, threads=1)
        self.begins: list[int] = []

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        self.begins += [request.begin for request in requests if request.quality is Quality.FULL]
        return super().decode(requests)

    def decode_after(self, before: NDArray[np.float32], said: str, request: DecodeRequest) -> Hypothesis:
        """Decode a final whose language is given, after ``before``, a whole number of positions in which ``said`` was
        said."""
        recipe, lead = RECIPES[Quality.FULL], len(before) // POSITION_SAMPLES
        samples = np.concatenate([before, request.samples])
        encoding = self._whisper.encode(samples, recipe.pad_s, recipe.tail_positions)
        tokenizer = self._tokenizer(request.language or "", str(request.task))
        window = self._window_of(replace(request, samples=samples), encoding, tokenizer)
        start = [*window.start, *tokenizer.encode(" " + said)]
        window = replace(window, start=start, limit=min(window.limit, self._whisper.longest_text - len(start)))
        text = self._final(window, tokenizer, recipe.beam_size).text
        # The words' times are those in the request's own audio.
        own = replace(text, attention=[row[lead:] for row in text.attention])
        scored = ScoredText(replace(window, audio_positions=window.audio_positions - lead), own, tokenizer)
        candidate = scored.candidate
        return Hypothesis(
            text=candidate.text,
            words=timed_words(scored.pieces(), len(request.samples) / AUDIO_RATE_HZ) if own.tokens else (),
            language=request.language or "",
            language_probability=1.0,
            avg_logprob=candidate.avg_logprob,
            no_speech_prob=own.no_speech_prob,
            compression_ratio=candidate.compression_ratio,
            truncated=own.truncated,
        )


@dataclass(frozen=True)
class Piece:
    """Audio of one final, in samples; ``follows``: the speech before it ended just before its cut."""

    begin: int
    end: int
    follows: bool


@dataclass
class Said:
    """What was said before a final: its words, and where the audio ends that they came from."""

    words: list[PlacedWord] = field(default_factory=list)
    end: int = 0


def pieces_of(finals: Sequence[Final], begins: Sequence[int], gap_ms: int) -> list[Piece]:
    """The ranges of finals; each was asked for with its beginning, some more than once."""
    pieces: list[Piece] = []
    before = 0
    for final in finals:
        end = final.committed_ms * _PER_MS
        begin = max(begin for begin in begins if begin < end)
        pieces.append(Piece(begin, end, before > 0 and begin - before <= gap_ms * _PER_MS))
        before = end
    return pieces


def told(said: Said, piece: Piece, seconds: float) -> tuple[int, list[PlacedWord], list[PlacedWord]]:
    """Where the audio before a cut begins, the words in it, and those before them."""
    earliest = piece.begin - int(
        min(seconds, LONGEST_S - 0.5 - (piece.end - piece.begin) / AUDIO_RATE_HZ) * AUDIO_RATE_HZ
    )
    count = sum(word.start_ms * _PER_MS - _LEAD >= earliest for word in said.words)
    older, heard = said.words[: len(said.words) - count], said.words[len(said.words) - count :]
    if not heard:
        return piece.begin, [], said.words
    first = heard[0].start_ms * _PER_MS
    begin = min(max(first - _LEAD, older[-1].end_ms * _PER_MS if older else 0), first)
    return piece.begin - (piece.begin - begin) // POSITION_SAMPLES * POSITION_SAMPLES, heard, older


def decoded(
    engine: ContextEngine, samples: NDArray[np.int16], pieces: Sequence[Piece], language: str, seconds: float
) -> list[str]:
    """The texts of all pieces, each with up to ``seconds`` of the audio before it."""
    policy = LivePolicy()
    said, texts = Said(), []

    def audio(begin: int, end: int) -> NDArray[np.float32]:
        return samples[begin:end].astype(np.float32) / 32768.0

    for piece in pieces:
        carries = piece.begin - said.end <= policy.context_gap_ms * _PER_MS
        seconds_before = seconds if piece.follows else 0.0
        begin, heard, older = told(said, piece, seconds_before)
        prompt = join_words(older)[-policy.context_chars :] if carries else ""
        request = DecodeRequest(audio(piece.begin, piece.end), language, prompt=prompt, quality=Quality.FULL)
        if heard:
            hypothesis = engine.decode_after(audio(begin, piece.begin), join_words(heard), request)
        else:
            (hypothesis,) = engine.decode([request])
        words = placed_words(hypothesis, piece.begin)
        texts.append(join_words(words))
        said = Said([*said.words, *words] if piece.follows else words, piece.end)
    return texts


def errors_after_cuts(
    reference: str, texts: Sequence[str], pieces: Sequence[Piece], normalise: Callable[[str], str]
) -> dict[str, Any]:
    """Wrong words among the first ones after a cut in speech, and among all others; ``texts`` as they are."""
    is_first: list[bool] = []
    words: list[str] = []
    for text, piece in zip(texts, pieces, strict=True):
        own = normalise(text).split()
        words += own
        is_first += [piece.follows and at < _FIRST_WORDS for at in range(len(own))]
    wrong = {True: 0, False: 0}
    for part in jiwer.process_words(reference, " ".join(words)).alignments[0]:
        if part.type != "equal":
            size = max(part.ref_end_idx - part.ref_start_idx, part.hyp_end_idx - part.hyp_start_idx)
            wrong[is_first[min(part.hyp_start_idx, len(words) - 1)]] += size
    return {
        "first_words_after_cuts": sum(is_first),
        "wrong_of_these": wrong[True],
        "other_words": len(words) - sum(is_first),
        "wrong_of_those": wrong[False],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--language", default="en")
    parser.add_argument("--kinds", nargs="+", default=["long"])
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.0, 3.0, 5.0, 28.0], help="of audio before a cut")
    parser.add_argument("--gap-ms", type=int, default=1000)
    parser.add_argument("--out")
    args = parser.parse_args()

    clips = utterances(corpus_folder(args.corpus), args.language, None, tuple(args.kinds))
    clips = [clip for clip in clips if clip.text.strip()]
    samples = with_gaps(clips, 1.5)
    normalise = normaliser(args.language)
    reference = normalise(" ".join(clip.text for clip in clips))
    engine, turn = ContextEngine(args.model), load_turn_model(default_models_dir())
    policy = LivePolicy(turn=TurnPolicy(has_model=turn is not None))
    config = SessionConfig(language=args.language, interim_results=False, endpointing=Endpointing.AUTO)
    parts = Parts(engine, load_vad("silero"), policy, config, True, turn.probability if turn else None)
    heard = play(samples, parts)
    pieces = pieces_of(heard.finals, engine.begins, args.gap_ms)
    result: dict[str, Any] = {
        "model": args.model,
        "language": args.language,
        "recordings": len(clips),
        "audio_s": round(sum(clip.duration_s for clip in clips), 1),
        "finals": len(pieces),
        "after_a_cut_in_speech": sum(piece.follows for piece in pieces),
        "live": errors([reference], [normalise(" ".join(heard.texts))]),
        "files": errors([reference], [normalise(as_file(samples, parts))]),
        "seconds_before_the_cut": {},
    }
    for seconds in args.seconds:
        began = time.process_time()
        texts = decoded(engine, samples, pieces, args.language, seconds)
        result["seconds_before_the_cut"][seconds] = {
            **errors([reference], [normalise(" ".join(texts))]),
            **errors_after_cuts(reference, texts, pieces, normalise),
            "decode_cpu_s": round(time.process_time() - began, 1),
        }
        write_result(args.out, "acoustic_context", result)


if __name__ == "__main__":
    main()
