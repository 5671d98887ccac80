"""Requests from the transcriber to an engine, and the results."""

import enum
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import Task


class Quality(enum.Enum):
    """Search effort of a decode.

    DRAFT: greedy and cheap, for text that may still change. FULL: beam search over the whole utterance. FILE: a
    narrower beam search over a piece of a file. Nobody waits for it, so it is as cheap as possible when many pieces are
    decoded together.
    """

    DRAFT = "draft"
    FULL = "full"
    FILE = "file"


@dataclass
class Memory:
    """Data that an engine keeps of an utterance from one draft to the next, to save work.

    Only the engine reads it, and only one decode at a time may hold it. Results don't depend on it, except for the last
    bits of a probability.
    """

    kept: Any = None


@dataclass(frozen=True)
class DecodeRequest:
    """One piece of audio to decode.

    ``samples``: float32 [n], 16 kHz mono in -1…1, at most 30 s. ``language`` None: detect it, from ``language_samples``
    if given, among ``languages`` (empty: all), and keep ``expected_language`` unless another language is clearly
    detected. ``prompt``: preceding text (a
    user's vocabulary, the end of the last utterance); '' for none. ``begin``: position of the first sample in the
    session, by which an engine finds the data in ``memory`` for the same audio.
    """

    samples: NDArray[np.float32]
    language: str | None
    task: Task = Task.TRANSCRIBE
    prompt: str = ""
    quality: Quality = Quality.DRAFT
    begin: int = 0
    memory: Memory | None = field(default=None, repr=False, compare=False)
    language_samples: NDArray[np.float32] | None = field(default=None, repr=False)
    expected_language: str | None = None
    languages: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimedWord:
    """Word as Whisper writes it (punctuation attached, no surrounding spaces); seconds from the request's start.

    ``space_before``: white space of any kind or length, written as one space, separates it from the previous word.
    """

    text: str
    start_s: float
    end_s: float
    probability: float
    space_before: bool = True


@dataclass(frozen=True)
class Hypothesis:
    """Result of a decode.

    ``avg_logprob``: mean natural logarithm of the tokens' probabilities. ``no_speech_prob``: Whisper's own estimate.
    ``compression_ratio``: bytes of the text divided by bytes of its zlib form (loops compress well). ``truncated``: the
    token limit was reached, which happens with loops but not with speech. ``safe_words``: number of words, from the
    first, whose ends lie within the audio, judging by what the engine attended to; None: the engine cannot tell.
    """

    text: str
    words: tuple[TimedWord, ...]
    language: str
    language_probability: float
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    truncated: bool = False
    safe_words: int | None = None
