"""Whisper engine for CPUs on ONNX Runtime, built from the weights that faster-whisper uses.

Drafts are greedy, in batches over sessions, each along its last text. Finals are greedy too, as long as every token is
probable; otherwise beam search finds a better text. Chunks of files are decoded by beam search, in batches.
"""

import functools
import json
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tokenizers
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer

from stt_shared.contracts.engines import EngineName
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Quality, TimedWord
from stt_transcriber.engines.base import EngineError, GiveWay
from stt_transcriber.engines.keyterms import Keyterms
from stt_transcriber.engines.onnx import beam, beam_batch, greedy, known_tokens
from stt_transcriber.engines.onnx.file_model import FileWhisper, encoding_bytes
from stt_transcriber.engines.onnx.model import Encoding, OnnxWhisper
from stt_transcriber.engines.onnx.scored_text import ScoredText
from stt_transcriber.engines.onnx.search import DecodedText, TokenRules, Window
from stt_transcriber.engines.onnx.sound import RequestSound
from stt_transcriber.engines.request import (
    check_request,
    context_tokens,
    empty_hypothesis,
    loop_limit,
    token_limit,
)
from stt_transcriber.engines.spoken_language import Chosen, Detected, detect
from stt_transcriber.engines.window import MAX_POSITIONS, POSITION_SAMPLES, Recipe
from stt_transcriber.engines.words import timed_words
from stt_transcriber.models.store import resolve

RECIPES = {
    Quality.DRAFT: Recipe(pad_s=0.5, tail_positions=MAX_POSITIONS, beam_size=1),
    Quality.FULL: Recipe(pad_s=0.5, tail_positions=MAX_POSITIONS, beam_size=4),
    Quality.FILE: Recipe(pad_s=0.5, tail_positions=MAX_POSITIONS, beam_size=3),
}
"""The encoder attends to the silence after a window, so hardly any padding is needed (benchmarks/engine.py).

On 82 utterances in live sessions, not paced in real time, 8.2 % of the words are wrong with three beams and tiny.en,
7.5 % with four or five, and four cost no more than three; with base 6.6 % are wrong with each. Two beams are half a
point worse. In files, whose chunks are longer, three beams are as good as four with both models, and five get one more
word in 400 right.
"""
_SURE = math.log(0.4)
"""Least token probability, as a natural logarithm, for a greedy final to be accepted without a search.

On 82 utterances half of the finals pass, and two more words of 1,700 are wrong with base, one with tiny.en. At 0.5 no
more words are wrong and a third of the finals need no search; at 0.3 six more are wrong. (Searching from the first
doubtful token on, instead of from the first token, costs tiny.en half a point.)
"""
_FILE_BATCH = 4
"""Maximum number of chunks of files decoded together: with more, the cost per chunk hardly falls, and replicas share
files by chunks."""
_KEYTERM_SETS = 32
"""Number of sets of keyterms that are kept as tokens: a set of a hundred takes 5 ms to build, and some 200 KB."""
_FILE_BATCH_BYTES = 256_000_000
"""Maximum size of the encodings of the chunks that are decoded together."""


@dataclass(frozen=True)
class _Asked:
    """Decode of one of several requests in one language."""

    index: int
    code: str


class OnnxWhisperEngine:
    """Engine for a model in CTranslate2's format, read from local files only.

    ``folder``: contains model.bin, config.json and tokenizer.json. Up to ``workers`` windows are decoded at once, with
    ``threads`` threads each. Raises EngineError for a model that it cannot run.
    """

    name: str = EngineName.ONNXRUNTIME
    biased_by_keyterms = True
    hears_earlier = True

    def __init__(self, folder: Path, *, model: str, workers: int = 1, threads: int = 1, max_batch: int = 1) -> None:
        self.model = model
        self.parallel = workers
        self.max_batch = max_batch
        try:
            config = json.loads((folder / "config.json").read_text())
            self._hf_tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            codes = tuple(c for c in _LANGUAGE_CODES if self._hf_tokenizer.token_to_id(f"<|{c}|>") is not None)
            # Every model has the language tokens, so the end-of-text token decides: an English-only model numbers it
            # one lower.
            self.is_multilingual = self._hf_tokenizer.token_to_id("<|endoftext|>") == 50257
            self.languages = codes if self.is_multilingual else ("en",)
            some = self._tokenizer("en", "transcribe")
            self._start = some.sot
            self._rules = TokenRules(some.eot, frozenset(config["suppress_ids_begin"]))
            self._language_tokens = [some.tokenizer.token_to_id(f"<|{code}|>") for code in codes]
            self._whisper = OnnxWhisper(folder, end=some.eot, no_speech=some.no_speech, threads=max(1, threads))
            self._load_file_whisper: Callable[[], FileWhisper] = functools.partial(
                FileWhisper, folder, end=some.eot, no_speech=some.no_speech, threads=max(1, threads)
            )
        # Unreadable files, weights in another layout and graphs that ONNX Runtime rejects raise exceptions without a
        # common base.
        except Exception as error:
            raise EngineError(f"model {model!r} in {folder} cannot be run on ONNX Runtime: {error}") from error
        self._end = some.eot
        self._keyterms = functools.lru_cache(_KEYTERM_SETS)(self._keyterms_of)
        self._loading = threading.Lock()
        self._loaded_file_whisper: FileWhisper | None = None
        self.max_file_batch = min(_FILE_BATCH, max(1, _FILE_BATCH_BYTES // encoding_bytes(self._whisper.shape)))

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        """Decode one request or a batch of drafts; see ``Engine``.

        Raises EngineError for an unknown language, too much audio, several requests that are not all drafts, or a
        failure of the model.
        """
        if len(requests) > 1 and any(request.quality is not Quality.DRAFT for request in requests):
            raise EngineError("finals are decoded one by one, and chunks of files by decode_files")
        return self._decode(requests, _never_wait)

    def decode_files(self, requests: Sequence[DecodeRequest], give_way: GiveWay) -> list[Hypothesis]:
        """Decode chunks of files together; see ``FileEngine``.

        Raises EngineError for an unknown language, too much audio, a quality other than FILE, or a failure of the
        model.
        """
        if any(request.quality is not Quality.FILE for request in requests):
            raise EngineError("only chunks of files are decoded by decode_files")
        return self._decode(requests, give_way)

    @property
    def _file_whisper(self) -> FileWhisper:
        """Model for files, loaded with the first file: it takes as much memory as the live one, and many replicas get
        no file."""
        with self._loading:
            if self._loaded_file_whisper is None:
                self._loaded_file_whisper = self._load_file_whisper()
            return self._loaded_file_whisper

    def _decode(self, requests: Sequence[DecodeRequest], give_way: GiveWay) -> list[Hypothesis]:
        for request in requests:
            check_request(request, self.languages)
        audible = [request for request in requests if len(request.samples)]
        try:
            decoded = iter(self._hypotheses(audible, give_way)) if audible else iter(())
        # ONNX Runtime's exceptions have no common base.
        except Exception as error:
            raise EngineError(f"model {self.model!r} failed: {error}") from error
        return [next(decoded) if len(request.samples) else empty_hypothesis(request) for request in requests]

    def _hypotheses(self, requests: Sequence[DecodeRequest], give_way: GiveWay) -> list[Hypothesis]:
        quality = requests[0].quality
        recipe = RECIPES[quality]
        for_files = self._file_whisper if quality is Quality.FILE else None
        whisper = for_files or self._whisper
        sounds: list[RequestSound] = []
        detected: list[Detected] = []
        for request in requests:
            give_way()
            sound, found = self._detected(whisper, recipe, request)
            sounds.append(sound)
            detected.append(found)
        asked = [_Asked(index, code) for index, one in enumerate(detected) for code in one.rivals]
        # First all requests in their likeliest language, together, then those with rivals in the others.
        asked.sort(key=lambda one: one.code != detected[one.index].rivals[0])
        texts: list[dict[str, tuple[ScoredText, float]]] = [{} for _ in requests]
        most = len(requests)
        for at in range(0, len(asked), most):
            together = asked[at : at + most]
            tokenizers_ = [self._tokenizer(one.code, str(requests[one.index].task)) for one in together]
            windows = [
                self._window_of(detected[one.index].request, sounds[one.index], tokenizer)
                for one, tokenizer in zip(together, tokenizers_, strict=True)
            ]
            scored = self._texts(for_files, windows, tokenizers_, quality, give_way)
            for one, text in zip(together, scored, strict=True):
                texts[one.index][one.code] = text, _logprob(text)
        return [
            _hypothesis(one.request, one.choose(of)) if of else one.undecoded()
            for one, of in zip(detected, texts, strict=True)
        ]

    def _texts(
        self,
        for_files: FileWhisper | None,
        windows: list[Window],
        tokenizers_: list[Tokenizer],
        quality: Quality,
        give_way: GiveWay,
    ) -> list[ScoredText]:
        beam_size = RECIPES[quality].beam_size
        if quality is Quality.DRAFT:
            return self._drafts(windows, tokenizers_)
        if for_files is not None:
            return self._file_chunks(for_files, windows, tokenizers_, beam_size, give_way)
        return [self._final(*pair, beam_size) for pair in zip(windows, tokenizers_, strict=True)]

    def _drafts(self, windows: list[Window], tokenizers_: list[Tokenizer]) -> list[ScoredText]:
        """Decode drafts; decode again, without prompt, where the prompt may be to blame for a loop.

        Such a loop would hold back every draft of its session, while a loop that the audio causes is gone with the next
        window.
        """
        texts = _scored(windows, greedy.decode(self._whisper, self._rules, windows), tokenizers_)
        again = [index for index, window in enumerate(windows) if texts[index].text.truncated and window.sot]
        if again:
            bare = greedy.decode(self._whisper, self._rules, [self._bare(windows[index]) for index in again])
            for index, text in zip(again, bare, strict=True):
                texts[index] = texts[index].better(ScoredText(windows[index], text, tokenizers_[index]))
        return texts

    def _final(self, window: Window, tokenizer: Tokenizer, beam_size: int) -> ScoredText:
        """Return the greedy text if it is sure, otherwise the text of a beam search.

        If that text looks like a loop or a guess, search again, without prompt and repetitions, and return the better
        one.
        """
        text = greedy.sure(self._whisper, self._rules, window, _SURE)
        text = text or beam.decode(self._whisper, self._rules, window, beam_size)
        if window.said:
            # The earlier speech is speech, whatever follows it.
            text = replace(text, no_speech_prob=self._whisper.no_speech_in(window.own, self._start))
        first = ScoredText(window, text, tokenizer)
        if not first.candidate.is_suspect:
            return first
        second = beam.decode(self._whisper, self._rules, self._bare(window), beam_size, may_repeat=False)
        return first.better(ScoredText(window, second, tokenizer))

    def _file_chunks(
        self, model: FileWhisper, windows: list[Window], tokenizers_: list[Tokenizer], beam_size: int, give_way: GiveWay
    ) -> list[ScoredText]:
        """Decode all chunks at once, as ``_final`` does, but without trying greedy decoding first."""
        texts = _scored(windows, beam_batch.decode(model, self._rules, windows, beam_size, give_way), tokenizers_)
        again = [index for index, one in enumerate(texts) if one.candidate.is_suspect]
        if again:
            bare = [self._bare(windows[index]) for index in again]
            second = beam_batch.decode(model, self._rules, bare, beam_size, give_way, may_repeat=False)
            for index, text in zip(again, second, strict=True):
                texts[index] = texts[index].better(ScoredText(windows[index], text, tokenizers_[index]))
        return texts

    def _tokenizer(self, language: str, task: str) -> Tokenizer:
        return Tokenizer(self._hf_tokenizer, self.is_multilingual, task=task, language=language)

    def shares(self, whisper: OnnxWhisper, encoding: Encoding) -> dict[str, float]:
        """Return the share of each language in an encoding."""
        if not self.is_multilingual:
            return {"en": 1.0}
        found = whisper.languages(encoding, self._start, self._language_tokens)
        return dict(zip(self.languages, found.tolist(), strict=True))

    def _detected(self, whisper: OnnxWhisper, recipe: Recipe, request: DecodeRequest) -> tuple[RequestSound, Detected]:
        """Encode a request and weigh its languages; without the earlier speech if that is in another one."""
        sound = RequestSound(whisper, recipe, request, self.shares)
        detected = detect(request, sound)
        if request.earlier is not None and detected.rivals != (request.earlier.language,):
            return self._detected(whisper, recipe, replace(request, earlier=None))
        return sound, detected

    def _window_of(self, request: DecodeRequest, sound: RequestSound, tokenizer: Tokenizer) -> Window:
        context = context_tokens(tokenizer, request.prompt)
        start = [*context, *tokenizer.sot_sequence, tokenizer.no_timestamps]
        audio_positions = max(1, len(request.samples) // POSITION_SAMPLES)
        said = self._said(request, sound, tokenizer, start)
        earlier_positions = sound.earlier_positions if said else 0
        encoding = sound.with_earlier if said else sound.own
        # No word may end in the padding.
        audio_positions = min(encoding.positions - earlier_positions, audio_positions)
        limit = self._limit(audio_positions, [*start, *said])
        loops_at = loop_limit(audio_positions * POSITION_SAMPLES)
        keyterms = self._keyterms(request.keyterms) if request.keyterms else None
        guess = known_tokens.guess(request, limit)
        return Window(
            encoding,
            start,
            len(context),
            limit,
            guess,
            audio_positions,
            loops_at,
            keyterms,
            earlier_positions=earlier_positions,
            said=said,
        )

    def _said(
        self, request: DecodeRequest, sound: RequestSound, tokenizer: Tokenizer, start: Sequence[int]
    ) -> list[int]:
        """Return the tokens of the earlier speech; none if a text as dense might lack room for twice its tokens."""
        if request.earlier is None or not sound.earlier_positions:
            return []
        said = tokenizer.encode(request.earlier.text)
        rest = len(request.samples) // POSITION_SAMPLES
        room = self._whisper.longest_text - len(start) - len(said)
        return said if 2 * len(said) * rest <= room * sound.earlier_positions else []

    def _keyterms_of(self, phrases: tuple[str, ...]) -> Keyterms:
        tokenizer = self._hf_tokenizer
        return Keyterms(
            phrases, lambda text: tokenizer.encode(text, add_special_tokens=False).ids, tokenizer.decode, self._end
        )

    def _limit(self, audio_positions: int, start: Sequence[int]) -> int:
        return token_limit(audio_positions * POSITION_SAMPLES, self._whisper.longest_text - len(start))

    def _bare(self, window: Window) -> Window:
        """Return the window without its prompt and earlier speech, whose room the text may use, and without the guess
        that came from them."""
        start = window.start[window.sot :]
        limit = self._limit(window.audio_positions, start)
        encoding = window.own if window.said else window.encoding
        return replace(window, encoding=encoding, start=start, sot=0, limit=limit, guess=(), said=())


def _never_wait() -> None:
    """Return at once: no other work is more urgent."""


def _scored(windows: list[Window], texts: list[DecodedText], tokenizers_: list[Tokenizer]) -> list[ScoredText]:
    return [ScoredText(*parts) for parts in zip(windows, texts, tokenizers_, strict=True)]


def _logprob(scored: ScoredText) -> float:
    """Return what the text says for its language: its mean log-probability, -inf for a loop."""
    candidate = scored.candidate
    return -math.inf if candidate.truncated or candidate.is_loop else candidate.avg_logprob


def _hypothesis(request: DecodeRequest, chosen: Chosen[ScoredText]) -> Hypothesis:
    scored = chosen.text
    text, candidate = scored.text, scored.candidate
    known_tokens.keep(request, scored)
    return Hypothesis(
        text=candidate.text,
        words=_words(request, scored),
        language=chosen.language,
        language_probability=chosen.probability,
        avg_logprob=candidate.avg_logprob,
        no_speech_prob=text.no_speech_prob,
        compression_ratio=candidate.compression_ratio,
        truncated=text.truncated,
        spoken=chosen.spoken,
    )


def _words(request: DecodeRequest, scored: ScoredText) -> tuple[TimedWord, ...]:
    if not scored.text.tokens:
        return ()
    return timed_words(scored.pieces(), len(request.samples) / AUDIO_RATE_HZ)


def load(
    model: str, models_dir: Path, *, device: str, compute_type: str, workers: int, threads: int, max_batch: int
) -> OnnxWhisperEngine:
    """Load the engine. Raises EngineError for what only another engine supports: a GPU, other number formats."""
    if device not in {"cpu", "auto"}:
        raise EngineError(f"the engine onnxruntime runs on a CPU, not {device}: use WHISPER_ENGINE=faster-whisper")
    if compute_type not in {"int8", "default", "auto"}:
        raise EngineError(
            f"the engine onnxruntime computes in int8, not {compute_type}: use WHISPER_ENGINE=faster-whisper"
        )
    return OnnxWhisperEngine(
        resolve(model, models_dir), model=model, workers=workers, threads=threads, max_batch=max_batch
    )
