"""What all engines make of a request, and of what came out. Pure."""

from collections.abc import Sequence
from typing import Protocol

from stt_shared.contracts.session import Task
from stt_transcriber.core.decoding import SAMPLE_RATE, DecodeRequest, Hypothesis
from stt_transcriber.engines.base import EngineError

LONGEST_S = 30.0
_TOKENS_PER_S = 40
"""Speech in a script of which Whisper's vocabulary has few whole words, up to a token a byte: at an ordinary pace
Georgian takes 37 tokens a second, Hindi 15, English 4. One rate for all languages, because people also speak fast and
speed recordings up."""
_LOOP_TOKENS_PER_S = 7
"""Ordinary speech in English stays below. A text that repeats itself may not grow beyond: the longer a loop, the more
probable it looks."""
_SPARE_TOKENS = 10
_LOOP_TAIL_TOKENS = 96
_LOOP_GRAM_TOKENS = 4
_MOST_CONTEXT_TOKENS = 224
"""Half of the decoder's positions, as in Whisper's training: the other half is always left to the text."""
LOOPS_FROM_RATIO = 2.4
GUESSES_BELOW_LOGPROB = -1.0
_CLEAR_LANGUAGE = 0.8


class ContextTokenizer(Protocol):
    """What a prompt needs of a tokenizer."""

    @property
    def sot_prev(self) -> int:
        """The token before previous context."""
        ...

    def encode(self, text: str) -> list[int]:
        """Text to tokens."""
        ...


def check_request(request: DecodeRequest, languages: tuple[str, ...]) -> None:
    """Raises EngineError for a language that the model lacks, or more audio than fits its window."""
    if request.language is not None and request.language not in languages:
        raise EngineError(f"language {request.language!r} is not one of this model's: {', '.join(languages)}")
    for samples in (request.samples, request.language_samples):
        if samples is not None and len(samples) > LONGEST_S * SAMPLE_RATE:
            raise EngineError(f"{len(samples) / SAMPLE_RATE:.1f} s of audio in one request: at most {LONGEST_S:g}")


def spoken_language(request: DecodeRequest, detected: str, probability: float) -> tuple[str, float]:
    """The language to decode in, and its probability, of what was detected."""
    usual = request.expected_language
    if usual is not None and detected != usual and probability < _CLEAR_LANGUAGE:
        return usual, 1.0
    return detected, probability


def nothing_heard(request: DecodeRequest) -> Hypothesis:
    """The answer to no audio."""
    return Hypothesis("", (), request.language or "en", 0.0, 0.0, 1.0, 0.0)


def written_language(request: DecodeRequest, spoken: str) -> str:
    """The language of the text: a translation is English."""
    return "en" if request.task is Task.TRANSLATE else spoken


def token_limit(samples: int, room: int) -> int:
    """Most new tokens for so many samples of audio, beyond which only a loop goes on. ``room``: positions of the
    decoder that its start leaves free."""
    return min(room, int(_TOKENS_PER_S * samples / SAMPLE_RATE) + _SPARE_TOKENS)


def loop_limit(samples: int) -> int:
    """So many tokens at most may a text have for so many samples of audio that ``repeats_itself``."""
    return int(_LOOP_TOKENS_PER_S * samples / SAMPLE_RATE) + _SPARE_TOKENS


def repeats_itself(tokens: Sequence[int]) -> bool:
    """The end of the text is a phrase that comes again and again."""
    tail = tokens[-_LOOP_TAIL_TOKENS:]
    grams = [tuple(tail[i : i + _LOOP_GRAM_TOKENS]) for i in range(len(tail) - _LOOP_GRAM_TOKENS + 1)]
    return 3 * len(set(grams)) < len(grams)


def is_suspect(*, truncated: bool, compression_ratio: float, avg_logprob: float) -> bool:
    """True for a loop (it compresses well or runs into the limit) and for a guess (improbable words)."""
    return truncated or compression_ratio > LOOPS_FROM_RATIO or avg_logprob < GUESSES_BELOW_LOGPROB


def context_tokens(tokenizer: ContextTokenizer, prompt: str) -> list[int]:
    """The end of the prompt as previous context, its start token included; empty for no prompt."""
    text = prompt.strip()
    return [tokenizer.sot_prev, *tokenizer.encode(" " + text)[1 - _MOST_CONTEXT_TOKENS :]] if text else []
