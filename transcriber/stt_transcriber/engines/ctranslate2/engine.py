"""Whisper engine on CTranslate2, with faster-whisper's tokenizer and features.

It serves GPUs, and number formats other than int8.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import tokenizers
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer
from numpy.typing import NDArray

from stt_shared.contracts.engines import EngineName
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Quality, TimedWord
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.ctranslate2.encoder import Encoding, SplicedEncoder
from stt_transcriber.engines.fallback import Candidate, better_of
from stt_transcriber.engines.request import (
    check_request,
    context_tokens,
    empty_hypothesis,
    loop_limit,
    repeats_itself,
    token_limit,
)
from stt_transcriber.engines.splitting import split_text
from stt_transcriber.engines.spoken_language import Detected, detect
from stt_transcriber.engines.window import POSITIONS_PER_S, RECIPES, Recipe
from stt_transcriber.engines.words import compression_ratio, pieces_of, timed_words
from stt_transcriber.models.store import resolve

_CONTEXT_TOKENS = 448
"""Number of the decoder's positions, for prompt and new text together."""


@dataclass(frozen=True)
class _Decoded:
    tokens: list[int]
    text: str
    avg_logprob: float
    no_speech_prob: float
    truncated: bool

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.text, self.avg_logprob, compression_ratio(self.text), self.truncated)

    @property
    def language_logprob(self) -> float:
        """What the text says for its language: its mean log-probability, -inf for a loop."""
        return -math.inf if self.truncated or self.candidate.is_loop else self.avg_logprob


class FasterWhisperEngine:
    """Engine for a model in CTranslate2's format, read from local files only.

    ``folder``: contains model.bin, config.json and tokenizer.json. ``device``: cpu, cuda or auto. ``compute_type``: a
    type of CTranslate2, or ``default``: int8 on a CPU, as stored on a GPU. Up to ``workers`` windows are decoded at
    once, with ``threads`` threads each (0: CTranslate2 chooses). Raises EngineError.
    """

    name: str = EngineName.FASTER_WHISPER
    biased_by_keyterms = False
    hears_earlier = False
    max_batch = 1

    def __init__(
        self,
        folder: Path,
        *,
        model: str,
        device: str = "auto",
        compute_type: str = "default",
        workers: int = 1,
        threads: int = 0,
    ) -> None:
        self.model = model
        self.parallel = workers
        self.device = _device(device)
        # Read when the first layer runs. oneDNN keeps a compiled kernel, with its memory, for each of the last 1024
        # shapes that it met, and windows come in every length: with that default, a session grows by hundreds of
        # megabytes.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
        try:
            self._hf_tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._whisper = ctranslate2.models.Whisper(
                str(folder),
                device=self.device,
                compute_type=_compute_type(compute_type, self.device),
                inter_threads=workers,
                intra_threads=threads,
            )
            self._encoder = SplicedEncoder(self._whisper)
        except EngineError:
            raise
        # Both libraries raise bare Exception or RuntimeError for files they cannot read.
        except Exception as error:
            raise EngineError(f"model {model!r} in {folder} cannot be loaded: {error}") from error
        self.is_multilingual: bool = self._whisper.is_multilingual
        self.languages: tuple[str, ...] = ("en",)
        if self.is_multilingual:
            self.languages = tuple(c for c in _LANGUAGE_CODES if self._hf_tokenizer.token_to_id(f"<|{c}|>") is not None)

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        """Decode requests one by one; see ``Engine``.

        Raises EngineError for an unknown language, too much audio, or a failure of the model.
        """
        return [self._decode_one(request) for request in requests]

    def _decode_one(self, request: DecodeRequest) -> Hypothesis:
        check_request(request, self.languages)
        if len(request.samples) == 0:
            return empty_hypothesis(request)
        try:
            return self._decode(request)
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"model {self.model!r} failed: {error}") from error

    def _decode(self, request: DecodeRequest) -> Hypothesis:
        recipe = RECIPES[request.quality]
        encoding = self.encode(request.samples, recipe)
        detected = self._detected(request, encoding)
        if detected.changes_at is not None:
            return detected.undecoded()
        texts: dict[str, tuple[_Decoded, float]] = {}
        for code in detected.rivals:
            decoded = self._best(request, self._tokenizer(request, code), encoding, recipe)
            texts[code] = decoded, decoded.language_logprob
        chosen = detected.choose(texts)
        decoded = chosen.text
        return Hypothesis(
            text=decoded.text,
            words=self._words(request, self._tokenizer(request, chosen.language), encoding, decoded.tokens),
            language=chosen.language,
            language_probability=chosen.probability,
            avg_logprob=decoded.avg_logprob,
            no_speech_prob=decoded.no_speech_prob,
            compression_ratio=decoded.candidate.compression_ratio,
            truncated=decoded.truncated,
            spoken=chosen.spoken,
        )

    def _tokenizer(self, request: DecodeRequest, language: str) -> Tokenizer:
        return Tokenizer(self._hf_tokenizer, self.is_multilingual, task=str(request.task), language=language)

    def _detected(self, request: DecodeRequest, encoding: Encoding) -> Detected:
        return detect(request, _Sound(self, RECIPES[request.quality], encoding, len(request.samples)))

    def shares(self, encoding: Encoding) -> dict[str, float]:
        """Return the share of each language in an encoding."""
        if not self.is_multilingual:
            return {"en": 1.0}
        found = self._whisper.detect_language(ctranslate2.StorageView.from_array(encoding))[0]
        return {token.removeprefix("<|").removesuffix("|>"): float(share) for token, share in found}

    def part(self, encoding: Encoding, begin: int, end: int, samples: int) -> Encoding:
        """Return the part of an encoding of ``samples`` between two offsets in samples, and the silence after it."""
        return self._encoder.part(encoding, begin, end, samples)

    def encode(self, samples: NDArray[np.float32], recipe: Recipe) -> Encoding:
        """Encode audio with the silence after it."""
        return self._encoder.encode(samples, recipe.pad_s, recipe.tail_positions)

    def _best(self, request: DecodeRequest, tokenizer: Tokenizer, encoding: Encoding, recipe: Recipe) -> _Decoded:
        """Decode once, and again without prompt if the text looks like a loop or a guess.

        A draft is decoded again only if its prompt may be to blame: such a loop would hold back every draft of the
        session, while a loop that the audio causes is gone with the next window. Whisper's next step, sampling at a
        temperature, is omitted: CTranslate2's seed does not make it repeatable, and a worker that takes over a session
        must arrive at the same words.
        """
        first = self._generate(request, tokenizer, encoding, recipe.beam_size, prompt=request.prompt)
        candidate = first.candidate
        if not (first.truncated and request.prompt if request.quality is Quality.DRAFT else candidate.is_suspect):
            return first
        second = self._generate(request, tokenizer, encoding, recipe.beam_size, no_repeat_ngram_size=4)
        return first if better_of(candidate, second.candidate) is candidate else second

    def _generate(
        self,
        request: DecodeRequest,
        tokenizer: Tokenizer,
        encoding: Encoding,
        beam_size: int,
        prompt: str = "",
        no_repeat_ngram_size: int = 0,
    ) -> _Decoded:
        """Search for a text, up to ``loop_limit`` tokens first.

        CTranslate2 cannot end a loop sooner than other texts, so a text that reaches ``loop_limit`` without being a
        loop is decoded again with the full limit.
        """
        start = [*context_tokens(tokenizer, prompt), *tokenizer.sot_sequence, tokenizer.no_timestamps]
        most = token_limit(len(request.samples), _CONTEXT_TOKENS - len(start))
        few = min(most, loop_limit(len(request.samples)))
        decoded = self._search(tokenizer, encoding, start, few, beam_size, no_repeat_ngram_size)
        if few < most and decoded.truncated and not repeats_itself(decoded.tokens):
            return self._search(tokenizer, encoding, start, most, beam_size, no_repeat_ngram_size)
        return decoded

    def _search(
        self,
        tokenizer: Tokenizer,
        encoding: Encoding,
        start: list[int],
        limit: int,
        beam_size: int,
        no_repeat_ngram_size: int,
    ) -> _Decoded:
        result: Any = self._whisper.generate(
            ctranslate2.StorageView.from_array(encoding),
            [start],
            beam_size=beam_size,
            no_repeat_ngram_size=no_repeat_ngram_size,
            # CTranslate2 allows half of this for new text, and counts the prompt except for its last token.
            max_length=max(2 * limit, limit + len(start) - 1),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=[-1],
        )[0]
        ids = list(result.sequences_ids[0])
        tokens = [token for token in ids if token < tokenizer.eot]
        return _Decoded(
            tokens=tokens,
            text=tokenizer.decode(tokens).strip(),
            # The score is the mean over the new tokens; the end-of-text token is part of the sum but not of the count.
            avg_logprob=float(result.scores[0]) * len(ids) / (len(ids) + 1) if ids else 0.0,
            no_speech_prob=float(result.no_speech_prob),
            truncated=len(ids) >= limit,
        )

    def _words(
        self, request: DecodeRequest, tokenizer: Tokenizer, encoding: Encoding, tokens: list[int]
    ) -> tuple[TimedWord, ...]:
        if not tokens:
            return ()
        result = self._whisper.align(
            ctranslate2.StorageView.from_array(encoding),
            tokenizer.sot_sequence,
            [tokens],
            # Mel frames of the audio itself: no word may end in the padding.
            [max(2, len(request.samples) * 100 // AUDIO_RATE_HZ)],
        )[0]
        texts, counts = split_text(tokens, tokenizer, tokenizer.language_code)
        pieces = pieces_of(texts, counts, result.alignments, result.text_token_probs, POSITIONS_PER_S)
        return timed_words(pieces, len(request.samples) / AUDIO_RATE_HZ)


@dataclass(frozen=True)
class _Sound:
    """Sound of a window; see ``Sound``. ``samples``: length of the window."""

    engine: FasterWhisperEngine
    recipe: Recipe
    encoding: Encoding
    samples: int

    def whole(self) -> dict[str, float]:
        return self.engine.shares(self.encoding)

    def stretch(self, begin: int, end: int) -> dict[str, float]:
        return self.engine.shares(self.engine.part(self.encoding, begin, end, self.samples))

    def other(self, samples: NDArray[np.float32]) -> dict[str, float]:
        return self.engine.shares(self.engine.encode(samples, self.recipe))


def load(
    model: str, models_dir: Path, *, device: str, compute_type: str, workers: int, threads: int, max_batch: int
) -> FasterWhisperEngine:
    """Load the engine; ``max_batch`` is ignored."""
    folder = resolve(model, models_dir)
    return FasterWhisperEngine(
        folder, model=model, device=device, compute_type=compute_type, workers=workers, threads=threads
    )


def _device(device: str) -> str:
    if device == "auto":
        return "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"
    if device not in {"cpu", "cuda"}:
        raise EngineError(f"device {device!r}: must be auto, cpu or cuda")
    if device == "cuda" and ctranslate2.get_cuda_device_count() == 0:
        raise EngineError("device 'cuda': CTranslate2 finds no GPU here; use cpu or auto")
    return device


def _compute_type(compute_type: str, device: str) -> str:
    if compute_type == "default":
        return "int8" if device == "cpu" else "default"
    allowed = [*sorted(ctranslate2.get_supported_compute_types(device)), "auto", "default"]
    if compute_type not in allowed:
        raise EngineError(f"compute type {compute_type!r}: {device} allows {', '.join(allowed)}")
    return compute_type
