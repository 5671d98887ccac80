"""Whisper engine with OpenAI's weights and search on PyTorch: slower, the reference for the default engine.

A draft reads the attention of its own tokens as they come: word times need no second pass, and the attention shows
which words are safe (``Hypothesis.safe_words``).
"""

import math
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.engines import EngineName
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.process.extras import install_command
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Quality, TimedWord
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.request import (
    LOOPS_FROM_RATIO,
    check_request,
    empty_hypothesis,
    is_suspect,
    loop_limit,
    token_limit,
)
from stt_transcriber.engines.splitting import split_text
from stt_transcriber.engines.spoken_language import Detected, detect
from stt_transcriber.engines.window import POSITION_SAMPLES, POSITIONS_PER_S, RECIPES, Recipe
from stt_transcriber.engines.words import Piece, compression_ratio, pieces_of, timed_words
from stt_transcriber.models.registry import CHECKPOINT_SUFFIX, KNOWN_MODELS
from stt_transcriber.models.store import resolve

try:
    import torch
    import whisper
    from whisper.decoding import DecodingOptions
    from whisper.tokenizer import LANGUAGES, get_tokenizer

    from stt_transcriber.engines.openai import attention
    from stt_transcriber.engines.openai.decoder import Decode, OpenAiDecoder, Task
    from stt_transcriber.engines.openai.encoder import OpenAiEncoder
except ImportError as missing:
    raise EngineError(
        f"the engine openai-whisper is not installed; run: {install_command('openai-whisper')}"
    ) from missing

_FALLBACK_TEMPERATURES = (0.2, 0.4)
_SEED = 0


class OpenAiWhisperEngine:
    """Engine for a checkpoint of OpenAI's.

    ``model``: a name of OpenAI's (``tiny.en``; looked up in the store, otherwise downloaded and checked by the
    package), a ``.pt`` file or its folder. Up to ``workers`` windows are decoded at once, with ``threads`` threads each
    (0: PyTorch chooses). Raises EngineError.
    """

    name: str = EngineName.OPENAI_WHISPER
    biased_by_keyterms = False
    hears_earlier = False
    max_batch = 1

    def __init__(
        self,
        model: str,
        models_dir: Path,
        *,
        device: str = "auto",
        compute_type: str = "default",
        workers: int = 1,
        threads: int = 0,
    ) -> None:
        self.model = model
        self.parallel = workers
        self.device = _device(device)
        # Read at the first multiplication. Without it, the last bits of MKL's results depend on where a matrix happens
        # to lie in memory, and the same request must give the same words.
        os.environ.setdefault("MKL_CBWR", "AUTO")
        if threads > 0:
            torch.set_num_threads(threads)
        # The other compute types are CTranslate2's; PyTorch's Whisper supports these two, and on a CPU only float32.
        self._fp16 = self.device == "cuda" and compute_type != "float32"
        self._whisper = _checkpoint(model, models_dir, self.device)
        self._encoder = OpenAiEncoder(self._whisper, torch.float16 if self._fp16 else torch.float32)
        self._decoder = OpenAiDecoder(self._whisper)
        self._sampling = threading.Lock()
        self.is_multilingual: bool = self._whisper.is_multilingual
        self.languages: tuple[str, ...] = ("en",)
        if self.is_multilingual:
            self.languages = tuple(list(LANGUAGES)[: self._whisper.num_languages])

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        """Decode requests one by one; see ``Engine``.

        Raises EngineError for an unknown language, too much audio, or a failure of the model.
        """
        for request in requests:
            check_request(request, self.languages)
        try:
            with torch.inference_mode():
                return [self._decode(r) if len(r.samples) else empty_hypothesis(r) for r in requests]
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"model {self.model!r} failed: {error}") from error

    def _decode(self, request: DecodeRequest) -> Hypothesis:
        recipe = RECIPES[request.quality]
        samples = np.ascontiguousarray(request.samples, dtype=np.float32)
        encoding = self.encode(samples, recipe)
        detected = self._detected(request, encoding)
        if detected.changes_at is not None:
            return detected.undecoded()
        texts: dict[str, tuple[tuple[Task, Any], float]] = {}
        for code in detected.rivals:
            best = self._best(request, encoding, code, recipe.beam_size)
            texts[code] = best, _language_logprob(*best)
        chosen = detected.choose(texts)
        task, result = chosen.text
        tokenizer = self._tokenizer(request, chosen.language)
        tokens: list[int] = result.tokens
        if request.quality is Quality.DRAFT:
            scores, probabilities = task.scores, task.probabilities
        else:
            scores, probabilities = self._read_again(tokenizer, encoding, tokens)
        words, safe_words = _words(request, tokenizer, tokens, scores, probabilities)
        return Hypothesis(
            text=result.text,
            words=words,
            language=chosen.language,
            language_probability=chosen.probability,
            avg_logprob=float(result.avg_logprob),
            no_speech_prob=float(result.no_speech_prob),
            compression_ratio=compression_ratio(result.text),
            truncated=_is_truncated(task, result),
            # The audio of a whole utterance contains every word to its end.
            safe_words=safe_words if request.quality is Quality.DRAFT else None,
            spoken=chosen.spoken,
        )

    def _detected(self, request: DecodeRequest, encoding: torch.Tensor) -> Detected:
        return detect(request, _Sound(self, RECIPES[request.quality], encoding, len(request.samples)))

    def shares(self, encoding: torch.Tensor) -> dict[str, float]:
        """Return the share of each language in an encoding."""
        if not self.is_multilingual:
            return {"en": 1.0}
        tokenizer = get_tokenizer(True, num_languages=self._whisper.num_languages)
        output, _ = Decode(self._decoder, encoding).feed(torch.tensor([[tokenizer.sot]], device=self.device))
        logits = self._decoder.logits(output[0, 0])[list(tokenizer.all_language_tokens)]
        return dict(zip(tokenizer.all_language_codes, logits.softmax(dim=-1).tolist(), strict=True))

    def encode(self, samples: NDArray[np.float32], recipe: Recipe) -> torch.Tensor:
        """Encode audio with the silence after it."""
        return self._encoder.encode(samples, recipe.pad_s, recipe.tail_positions)

    def _tokenizer(self, request: DecodeRequest, language: str) -> Any:
        return get_tokenizer(
            self.is_multilingual,
            num_languages=self._whisper.num_languages,
            language=language,
            task=str(request.task),
        )

    def _best(self, request: DecodeRequest, encoding: torch.Tensor, language: str, beam_size: int) -> tuple[Task, Any]:
        """Decode, and retry a loop or a guess: without prompt, then, except for a draft, by sampling.

        A draft is decoded again only if its prompt may be to blame: such a loop would hold back every draft of the
        session, while a loop that the audio causes is gone with the next window.
        """

        def generate(**options: Any) -> tuple[Task, Any]:
            return self._generate(request, encoding, language, **options)

        search = {"beam_size": beam_size if beam_size > 1 else None}
        tried = [generate(prompt=request.prompt or None, **search)]
        if request.quality is Quality.DRAFT:
            return generate(**search) if _is_truncated(*tried[0]) and request.prompt else tried[0]
        if request.prompt and _is_suspect(*tried[-1]):
            tried.append(generate(**search))
        for temperature in _FALLBACK_TEMPERATURES:
            if not _is_suspect(*tried[-1]):
                break
            # The same request must give the same words, and the seed belongs to the whole process.
            with self._sampling:
                torch.manual_seed(_SEED)
                tried.append(generate(temperature=temperature))
        return min(tried, key=lambda t: (_is_suspect(*t), -t[1].avg_logprob))

    def _generate(
        self, request: DecodeRequest, encoding: torch.Tensor, language: str, **options: Any
    ) -> tuple[Task, Any]:
        task = Task(
            self._whisper,
            self._decoder,
            DecodingOptions(
                task=str(request.task),
                language=language,
                without_timestamps=True,
                fp16=self._fp16,
                **options,
            ),
        )
        task.loop_limit = loop_limit(len(request.samples))
        task.sample_len = token_limit(len(request.samples), task.n_ctx - len(task.initial_tokens))
        return task, task.run(encoding)[0]

    def _read_again(
        self, tokenizer: Any, encoding: torch.Tensor, tokens: list[int]
    ) -> tuple[torch.Tensor, list[float]]:
        """Return attention scores and probabilities of a text that beam search chose, from one pass over all of it."""
        start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        fed = torch.tensor([[*start, *tokens]], device=self.device)
        output, scores = Decode(self._decoder, encoding).feed(fed)
        words_only = self._decoder.logits(output[0, len(start) - 1 : -1])[:, : tokenizer.eot].softmax(dim=-1)
        return scores, words_only.gather(1, fed[0, len(start) :, None])[:, 0].tolist()


@dataclass(frozen=True)
class _Sound:
    """Sound of a window; see ``Sound``. ``samples``: length of the window."""

    engine: OpenAiWhisperEngine
    recipe: Recipe
    encoding: torch.Tensor
    samples: int

    def whole(self) -> dict[str, float]:
        return self.engine.shares(self.encoding)

    def stretch(self, begin: int, end: int) -> dict[str, float]:
        kept = self.encoding[:, begin // POSITION_SAMPLES : end // POSITION_SAMPLES]
        after = self.encoding[:, self.samples // POSITION_SAMPLES :]
        return self.engine.shares(torch.cat([kept, after], dim=1))

    def other(self, samples: NDArray[np.float32]) -> dict[str, float]:
        return self.engine.shares(self.engine.encode(samples, self.recipe))


def _is_truncated(task: Task, result: Any) -> bool:
    return task.looped or bool(len(result.tokens) >= task.sample_len)


def _language_logprob(task: Task, result: Any) -> float:
    """Return what the text says for its language: its mean log-probability, -inf for a loop."""
    is_loop = _is_truncated(task, result) or compression_ratio(result.text) > LOOPS_FROM_RATIO
    return -math.inf if is_loop else float(result.avg_logprob)


def _is_suspect(task: Task, result: Any) -> bool:
    return is_suspect(
        truncated=_is_truncated(task, result),
        compression_ratio=compression_ratio(result.text),
        avg_logprob=result.avg_logprob,
    )


def _words(
    request: DecodeRequest, tokenizer: Any, tokens: list[int], scores: torch.Tensor, probabilities: Sequence[float]
) -> tuple[tuple[TimedWord, ...], int]:
    """Return the words, and how many of them, from the first, the audio contains to their end.

    ``scores``: see ``Task``; ``probabilities``: one per token.
    """
    if not tokens:
        return (), 0
    audio_positions = max(1, len(request.samples) // POSITION_SAMPLES)
    # A row attends to the sound of its next token, so the rows before the last token of the start mean nothing.
    focused = attention.focus(scores, audio_positions)[len(tokenizer.sot_sequence) :]
    path = attention.path(focused.cpu().numpy())
    texts, counts = split_text(tokens, tokenizer, tokenizer.language)
    pieces = pieces_of(texts, counts, path, probabilities, POSITIONS_PER_S)
    safe_count = attention.safe_tokens(focused.argmax(dim=-1).tolist()[: len(tokens)], audio_positions)
    duration_s = len(request.samples) / AUDIO_RATE_HZ
    words = timed_words(pieces, duration_s)
    safe = timed_words(_whole(pieces, safe_count), duration_s)
    # The last safe word may lack a mark, or the part after an apostrophe.
    return words, sum(1 for one, other in zip(safe, words, strict=False) if one.text == other.text)


def _whole(pieces: Sequence[Piece], token_count: int) -> list[Piece]:
    """Return the pieces that have all their tokens among the first ``token_count``."""
    whole: list[Piece] = []
    for piece in pieces:
        token_count -= piece.token_count
        if token_count < 0:
            break
        whole.append(piece)
    return whole


def load(
    model: str, models_dir: Path, *, device: str, compute_type: str, workers: int, threads: int, max_batch: int
) -> OpenAiWhisperEngine:
    """Load the engine; ``max_batch`` is ignored."""
    return OpenAiWhisperEngine(
        model, models_dir, device=device, compute_type=compute_type, workers=workers, threads=threads
    )


def _device(device: str) -> str:
    if device not in {"auto", "cpu", "cuda"}:
        raise EngineError(f"device {device!r}: must be auto, cpu or cuda")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("device 'cuda': PyTorch finds no GPU here; use cpu or auto")
    return device


def _checkpoint(model: str, models_dir: Path, device: str) -> Any:
    """Load the weights, with the heads that word times are read from."""
    name = model.removesuffix(CHECKPOINT_SUFFIX)
    if name in whisper.available_models() and not Path(model).exists():
        return _official(name, models_dir, device)
    folder = resolve(model, models_dir)
    path = Path(model).expanduser()
    checkpoints = [path] if path.is_file() else sorted(folder.glob(f"*{CHECKPOINT_SUFFIX}"))
    if len(checkpoints) != 1:
        raise EngineError(f"{folder} holds {len(checkpoints)} .pt files: openai-whisper needs the name of one")
    try:
        weights = whisper.load_model(str(checkpoints[0]), device=device)
    # Torch and the pickle in the file may raise any exception for bad bytes.
    except Exception as error:
        raise EngineError(f"{checkpoints[0]} cannot be loaded: {error}") from error
    heads = whisper._ALIGNMENT_HEADS.get(checkpoints[0].stem)
    if heads is not None:
        weights.set_alignment_heads(heads)
    return weights


def _official(name: str, models_dir: Path, device: str) -> Any:
    """Load one of OpenAI's models by name; the package checks the file's digest, and downloads it if it is missing."""
    folder = models_dir / f"{name}{CHECKPOINT_SUFFIX}"
    was_there = folder.exists()
    try:
        return whisper.load_model(name, device=device, download_root=str(folder))
    except (OSError, RuntimeError) as error:
        if not was_there:
            # A partial download would be mistaken for an installed model.
            for file in folder.glob("*"):
                file.unlink()
            folder.rmdir()
        stored = f"{name}{CHECKPOINT_SUFFIX}"
        advice = f": run `stt models pull {stored}`" if stored in KNOWN_MODELS else ""
        raise EngineError(f"model {name!r} of openai-whisper cannot be loaded ({error}){advice}") from error
