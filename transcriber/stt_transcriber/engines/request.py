"""What all engines make of a request, and of what came out. Pure."""

from typing import Protocol

from stt_shared.contracts.session import Task
from stt_transcriber.core.hypothesis import SAMPLE_RATE, DecodeRequest, Hypothesis
from stt_transcriber.engines.base import EngineError

LONGEST_S = 30.0
_MOST_TOKENS = 220
_TOKENS_PER_S = 7
_TOKENS_PER_S_DENSE = 20
_DENSE_LANGUAGES = frozenset(
    "am as bn bo gu hi hy ka km kn lo ml mn mr my ne pa ps sa sd si ta te th tt yi".split()  # noqa: SIM905
)
"""Whisper's vocabulary has few whole words of these: a word takes several tokens, up to one a byte."""
_MOST_CONTEXT_TOKENS = 224
LOOPS_FROM_RATIO = 2.4
_GUESSES_BELOW_LOGPROB = -1.0
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


def token_limit(request: DecodeRequest, language: str) -> int:
    """Most new tokens for so much audio: speech stays below, a loop does not."""
    rate = _TOKENS_PER_S_DENSE if written_language(request, language) in _DENSE_LANGUAGES else _TOKENS_PER_S
    return min(_MOST_TOKENS, int(rate * len(request.samples) / SAMPLE_RATE) + 10)


def is_suspect(*, truncated: bool, compression_ratio: float, avg_logprob: float) -> bool:
    """True for a loop (it compresses well or runs into the limit) and for a guess (improbable words)."""
    return truncated or compression_ratio > LOOPS_FROM_RATIO or avg_logprob < _GUESSES_BELOW_LOGPROB


def context_tokens(tokenizer: ContextTokenizer, prompt: str, room: int) -> list[int]:
    """The end of the prompt as previous context, its start token included: at most ``room`` tokens, and never more than
    Whisper was trained with; empty for no prompt."""
    text = prompt.strip()
    if not text:
        return []
    longest = min(_MOST_CONTEXT_TOKENS, room) - 1
    return [tokenizer.sot_prev, *tokenizer.encode(" " + text)[-longest:]]
