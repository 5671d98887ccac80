"""The second engine: OpenAI's own package on PyTorch. Slower; what the default engine is compared with."""

import threading
from pathlib import Path
from typing import Any

import numpy as np

from stt_shared.contracts.session import Task
from stt_transcriber.core.hypothesis import SAMPLE_RATE, DecodeRequest, Hypothesis, Quality, TimedWord
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.request import check_request, is_suspect, nothing_heard, token_limit, written_language
from stt_transcriber.engines.words import Piece, timed_words
from stt_transcriber.model_registry import CHECKPOINT_SUFFIX, KNOWN_MODELS
from stt_transcriber.model_store import resolve

_BEAM_SIZE = 5
_FALLBACK_TEMPERATURES = (0.2, 0.4)
_SEED = 0


class OpenAiWhisperEngine:
    """A checkpoint of OpenAI's. One decode at a time: hooks that read the attention belong to the whole model.

    ``model``: a name of OpenAI's (``tiny.en``; looked for in the store, else downloaded and checked by the package), a
    ``.pt`` file or its folder. Raises EngineError.
    """

    name = "openai-whisper"
    parallel = 1

    def __init__(
        self,
        model: str,
        models_dir: Path,
        *,
        device: str = "auto",
        compute_type: str = "default",
        threads: int = 0,
    ) -> None:
        try:
            import torch
            import whisper
        except ImportError as error:
            raise EngineError(
                "the engine openai-whisper is not installed: pip install 'realtime-stt-suite[openai-whisper]'"
            ) from error
        self._torch = torch
        self.model = model
        self.device = _device(device, torch)
        if threads > 0:
            torch.set_num_threads(threads)
        # The other compute types are CTranslate2's; PyTorch's Whisper knows these two, and on a CPU only float32.
        self._fp16 = self.device == "cuda" and compute_type != "float32"
        self._whisper = _checkpoint(model, models_dir, self.device, whisper)
        self._lock = threading.Lock()
        self.is_multilingual: bool = self._whisper.is_multilingual
        self.languages: tuple[str, ...] = ("en",)
        if self.is_multilingual:
            self.languages = tuple(list(whisper.tokenizer.LANGUAGES)[: self._whisper.num_languages])

    def decode(self, request: DecodeRequest) -> Hypothesis:
        """Puts audio into words; blocks. Raises EngineError: bad language, too long, or the model failed."""
        check_request(request, self.languages)
        if len(request.samples) == 0:
            return nothing_heard(request)
        try:
            with self._lock, self._torch.no_grad():
                return self._decode(request)
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"model {self.model!r} failed: {error}") from error

    def _decode(self, request: DecodeRequest) -> Hypothesis:
        from whisper.audio import N_SAMPLES, log_mel_spectrogram, pad_or_trim
        from whisper.tokenizer import get_tokenizer

        samples = np.ascontiguousarray(request.samples, dtype=np.float32)
        mel = log_mel_spectrogram(pad_or_trim(samples, N_SAMPLES), self._whisper.dims.n_mels).to(self.device)
        features = self._whisper.encoder((mel.half() if self._fp16 else mel)[None])[0]
        language, language_probability = self._language(request, features)
        tokenizer = get_tokenizer(
            self.is_multilingual,
            num_languages=self._whisper.num_languages,
            language=language,
            task=str(request.task),
        )
        result = self._best(request, features, language)
        tokens = [token for token in result.tokens if token < tokenizer.eot]
        return Hypothesis(
            text=result.text,
            words=self._words(request, tokenizer, features, mel, tokens),
            language=language,
            language_probability=language_probability,
            avg_logprob=float(result.avg_logprob),
            no_speech_prob=float(result.no_speech_prob),
            compression_ratio=float(result.compression_ratio) if result.text else 0.0,
            truncated=len(result.tokens) >= token_limit(request, language),
        )

    def _language(self, request: DecodeRequest, features: Any) -> tuple[str, float]:
        if not self.is_multilingual:
            return "en", 1.0
        if request.language is not None:
            return request.language, 1.0
        probabilities: dict[str, float] = self._whisper.detect_language(features)[1]
        language = max(probabilities, key=lambda code: probabilities[code])
        return language, float(probabilities[language])

    def _best(self, request: DecodeRequest, features: Any, language: str) -> Any:
        """One decode; for FULL more where it looks like a loop or a guess: without prompt, then sampled."""
        beam_size = _BEAM_SIZE if request.quality is Quality.FULL else None
        results = [self._generate(request, features, language, prompt=request.prompt or None, beam_size=beam_size)]
        if request.quality is Quality.DRAFT:
            return results[0]
        if request.prompt and self._is_suspect(request, language, results[-1]):
            results.append(self._generate(request, features, language, beam_size=beam_size))
        for temperature in _FALLBACK_TEMPERATURES:
            if not self._is_suspect(request, language, results[-1]):
                break
            # The same request must give the same words.
            self._torch.manual_seed(_SEED)
            results.append(self._generate(request, features, language, temperature=temperature))
        return min(results, key=lambda r: (self._is_suspect(request, language, r), -r.avg_logprob))

    def _generate(self, request: DecodeRequest, features: Any, language: str, **options: Any) -> Any:
        from whisper.decoding import DecodingOptions, decode

        return decode(
            self._whisper,
            features,
            DecodingOptions(
                task=str(request.task),
                language=language,
                sample_len=token_limit(request, language),
                without_timestamps=True,
                fp16=self._fp16,
                **options,
            ),
        )

    def _is_suspect(self, request: DecodeRequest, language: str, result: Any) -> bool:
        return is_suspect(
            truncated=len(result.tokens) >= token_limit(request, language),
            compression_ratio=result.compression_ratio,
            avg_logprob=result.avg_logprob,
        )

    def _words(
        self, request: DecodeRequest, tokenizer: Any, features: Any, mel: Any, tokens: list[int]
    ) -> tuple[TimedWord, ...]:
        from whisper.timing import find_alignment

        mel_frames = max(2, len(request.samples) * 100 // SAMPLE_RATE)
        timings = find_alignment(_Encoded(self._whisper, features), tokenizer, tokens, mel, mel_frames)
        pieces = [Piece(t.word, len(t.tokens), float(t.start), float(t.end), float(t.probability)) for t in timings]
        return timed_words(
            pieces, written_language(request, tokenizer.language or "en"), len(request.samples) / SAMPLE_RATE
        )


class _Encoded:
    """A model whose encoder has run: spares the alignment a second encoding of 30 s."""

    def __init__(self, model: Any, features: Any) -> None:
        self._model = model
        self._features = features

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, mel: Any, tokens: Any) -> Any:
        return self._model.decoder(tokens, self._features[None])


def load(
    model: str, models_dir: Path, *, device: str, compute_type: str, workers: int, threads: int
) -> OpenAiWhisperEngine:
    """Loads and warms up; ``workers`` is of no use here."""
    engine = OpenAiWhisperEngine(model, models_dir, device=device, compute_type=compute_type, threads=threads)
    engine.decode(DecodeRequest(np.zeros(SAMPLE_RATE, np.float32), "en", Task.TRANSCRIBE))
    return engine


def _device(device: str, torch: Any) -> str:
    if device not in {"auto", "cpu", "cuda"}:
        raise EngineError(f"device {device!r}: must be auto, cpu or cuda")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("device 'cuda': PyTorch finds no GPU here; use cpu or auto")
    return device


def _checkpoint(model: str, models_dir: Path, device: str, whisper: Any) -> Any:
    """The weights, with the heads that word times are read from."""
    name = model.removesuffix(CHECKPOINT_SUFFIX)
    if name in whisper.available_models() and not Path(model).exists():
        return _official(name, models_dir, device, whisper)
    folder = resolve(model, models_dir)
    path = Path(model).expanduser()
    checkpoints = [path] if path.is_file() else sorted(folder.glob(f"*{CHECKPOINT_SUFFIX}"))
    if len(checkpoints) != 1:
        raise EngineError(f"{folder} holds {len(checkpoints)} .pt files: openai-whisper needs the name of one")
    try:
        weights = whisper.load_model(str(checkpoints[0]), device=device)
    # Whatever torch and the pickle in the file make of bad bytes.
    except Exception as error:
        raise EngineError(f"{checkpoints[0]} cannot be loaded: {error}") from error
    heads = whisper._ALIGNMENT_HEADS.get(checkpoints[0].stem)
    if heads is not None:
        weights.set_alignment_heads(heads)
    return weights


def _official(name: str, models_dir: Path, device: str, whisper: Any) -> Any:
    """One of OpenAI's by name; the package checks the file's digest, and downloads it where it is missing."""
    folder = models_dir / f"{name}{CHECKPOINT_SUFFIX}"
    was_there = folder.exists()
    try:
        return whisper.load_model(name, device=device, download_root=str(folder))
    except (OSError, RuntimeError) as error:
        if not was_there:
            # Half a download would be taken for an installed model.
            for file in folder.glob("*"):
                file.unlink()
            folder.rmdir()
        stored = f"{name}{CHECKPOINT_SUFFIX}"
        advice = f": run `stt models pull {stored}`" if stored in KNOWN_MODELS else ""
        raise EngineError(f"model {name!r} of openai-whisper cannot be loaded ({error}){advice}") from error
