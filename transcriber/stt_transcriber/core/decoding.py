"""What the transcriber asks of an engine, and what it gets back."""

import enum
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import Task

SAMPLE_RATE = 16000


class Quality(enum.Enum):
    """DRAFT: greedy, cheap, for text that may still change. FULL: beam search over the whole utterance. FILE: a
    narrower one over a piece of a file, which nobody waits for: as cheap as may be when many are decoded together."""

    DRAFT = "draft"
    FULL = "full"
    FILE = "file"


@dataclass
class Memory:
    """What an engine keeps of an utterance from one draft to the next, to do less work; nothing but the engine reads
    it. One decode at a time may hold it. A result never depends on it, but for the last bits of a probability."""

    kept: Any = None


@dataclass(frozen=True)
class DecodeRequest:
    """One piece of audio to put into words.

    ``samples``: float32 [n], 16 kHz mono in -1…1, at most 30 s. ``language`` None: detect it, in ``language_samples``
    where those are given, and keep to ``expected_language`` unless another is clearly heard. ``prompt``: text that
    comes before (a user's vocabulary, the end of the last utterance); '' for none. ``begin``: position of the first
    sample in the session, by which an engine finds what ``memory`` has of the same audio.
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


@dataclass(frozen=True)
class TimedWord:
    """A word as Whisper writes it (punctuation attached, no surrounding spaces); seconds from the request's start.

    ``space_before``: a space separates it from the word before.
    """

    text: str
    start_s: float
    end_s: float
    probability: float
    space_before: bool = True


@dataclass(frozen=True)
class Hypothesis:
    """What an engine heard.

    ``avg_logprob`` is the mean natural logarithm of the tokens' probabilities; ``no_speech_prob`` Whisper's own
    estimate; ``compression_ratio`` bytes of text by bytes of its zlib form (loops compress well); ``truncated``: the
    limit of tokens was reached, which speech does not do and loops do. ``safe_words``: so many words, from the first,
    were heard to their end, by what the engine attended to; None: the engine cannot tell.
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
