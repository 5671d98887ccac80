"""Rules that all engines share for requests and their results. Pure functions."""

from collections.abc import Sequence
from typing import Protocol

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.engines.base import EngineError

LONGEST_S = 30.0
_TOKENS_PER_S = 40
"""Upper limit for speech in a script of which Whisper's vocabulary has few whole words, up to one token per byte: at
an ordinary pace Georgian takes 37 tokens per second, Hindi 15, English 4. One rate for all languages, because people
also speak fast and speed up recordings."""
_LOOP_TOKENS_PER_S = 7
"""Rate that ordinary English speech stays below. A text that repeats itself may not grow beyond it: the longer a loop,
the more probable it looks."""
_SPARE_TOKENS = 10
_LOOP_TAIL_TOKENS = 96
_LOOP_GRAM_TOKENS = 4
_MOST_CONTEXT_TOKENS = 224
"""Half of the decoder's positions, as in Whisper's training: the other half is always left for the text."""
LOOPS_FROM_RATIO = 2.4
GUESSES_BELOW_LOGPROB = -1.0


class ContextTokenizer(Protocol):
    """Part of a tokenizer that a prompt needs."""

    @property
    def sot_prev(self) -> int:
        """Token that precedes previous context."""
        ...

    def encode(self, text: str) -> list[int]:
        """Convert text to tokens."""
        ...


def check_request(request: DecodeRequest, languages: tuple[str, ...]) -> None:
    """Raise EngineError for a language that the model lacks, or for more audio than its window holds."""
    for language in (request.language, *request.languages):
        if language is not None and language not in languages:
            raise EngineError(f"language {language!r} is not one of this model's: {', '.join(languages)}")
    earlier = 0 if request.earlier is None else len(request.earlier.samples)
    others = 0 if request.language_samples is None else len(request.language_samples)
    for seconds in ((earlier + len(request.samples)) / AUDIO_RATE_HZ, others / AUDIO_RATE_HZ):
        if seconds > LONGEST_S:
            raise EngineError(f"{seconds:.1f} s of audio in one request: at most {LONGEST_S:g}")


def empty_hypothesis(request: DecodeRequest) -> Hypothesis:
    """Return the hypothesis for empty audio."""
    return Hypothesis("", (), request.language or "en", 0.0, 0.0, 1.0, 0.0)


def token_limit(samples: int, room: int) -> int:
    """Return the maximum number of new tokens for this many samples of audio; only a loop would exceed it.

    ``room``: positions of the decoder that its start tokens leave free.
    """
    return min(room, int(_TOKENS_PER_S * samples / AUDIO_RATE_HZ) + _SPARE_TOKENS)


def loop_limit(samples: int) -> int:
    """Return the maximum number of tokens for this many samples of audio if the text ``repeats_itself``."""
    return int(_LOOP_TOKENS_PER_S * samples / AUDIO_RATE_HZ) + _SPARE_TOKENS


def repeats_itself(tokens: Sequence[int]) -> bool:
    """Return True if the text ends in a phrase that recurs again and again."""
    tail = tokens[-_LOOP_TAIL_TOKENS:]
    grams = [tuple(tail[i : i + _LOOP_GRAM_TOKENS]) for i in range(len(tail) - _LOOP_GRAM_TOKENS + 1)]
    return 3 * len(set(grams)) < len(grams)


def is_suspect(*, truncated: bool, compression_ratio: float, avg_logprob: float) -> bool:
    """Return True for a loop (it compresses well or reaches the token limit) or a guess (improbable words)."""
    return truncated or compression_ratio > LOOPS_FROM_RATIO or avg_logprob < GUESSES_BELOW_LOGPROB


def context_tokens(tokenizer: ContextTokenizer, prompt: str) -> list[int]:
    """Return the end of the prompt as previous context, including its start token; empty without a prompt."""
    text = prompt.strip()
    return [tokenizer.sot_prev, *tokenizer.encode(" " + text)[1 - _MOST_CONTEXT_TOKENS :]] if text else []
