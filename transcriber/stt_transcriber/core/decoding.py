"""Requests from the transcriber to an engine, and the results."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ, Task

KEYTERMS_IGNORED = (
    "keyterms_ignored",
    "this server's engine cannot favour keyterms: they have no effect (WHISPER_ENGINE=onnxruntime can)",
)
"""Code and message of the warning that an engine which is not ``biased_by_keyterms`` leads to."""


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


Weights = Mapping[str, float]
"""Weights of languages, by Whisper's code: the highest first, 1 in all or, where small ones are left out, less."""


@dataclass(frozen=True)
class EarlierSpeech:
    """Speech just before that of a request, already decoded. ``samples``: float32 [n]; ``text``: all that it says."""

    samples: NDArray[np.float32]
    text: str
    language: str


@dataclass(frozen=True)
class DecodeRequest:
    """One piece of audio to decode.

    ``samples``: float32 [n], 16 kHz mono in -1…1, at most 30 s. ``language`` None: detect it, among ``languages``
    (empty: all). ``spoken_before``: weights of what was spoken before; ``language_samples``: audio from which they are
    detected instead. ``stretches``: parts of ``samples`` (begin, end) between pauses, whose languages may differ.
    ``voiced_s``: seconds of voice in ``samples``, by which the detection counts; None: all of it. ``prompt``: preceding
    text (a user's vocabulary, the end of the last utterance); '' for none. ``begin``: position of the first sample in
    the session, by which an engine finds the data in ``memory`` for the same audio. ``keyterms``: phrases to favour
    where the speech may be meant; an engine that is not ``biased_by_keyterms`` ignores them.
    ``earlier``: for finals, speech to hear before ``samples``, at most 30 s with them; its words are no part of the
    result, and an engine that is not one that ``hears_earlier`` speech ignores it.
    ``voice_windows``: parts of ``samples`` whose voices are wanted too; the engine ignores them.
    """

    samples: NDArray[np.float32]
    language: str | None
    task: Task = Task.TRANSCRIBE
    prompt: str = ""
    quality: Quality = Quality.DRAFT
    begin: int = 0
    memory: Memory | None = field(default=None, repr=False, compare=False)
    language_samples: NDArray[np.float32] | None = field(default=None, repr=False)
    languages: tuple[str, ...] = ()
    spoken_before: Weights = field(default_factory=dict)
    voiced_s: float | None = None
    keyterms: tuple[str, ...] = ()
    earlier: EarlierSpeech | None = field(default=None, repr=False)
    stretches: tuple[tuple[int, int], ...] = ()
    voice_windows: tuple[tuple[int, int], ...] = ()

    @property
    def voice_s(self) -> float:
        """Seconds of voice."""
        return len(self.samples) / AUDIO_RATE_HZ if self.voiced_s is None else self.voiced_s


@dataclass(frozen=True)
class TurnRequest:
    """Speech before a pause, of which to estimate whether the speaker has finished.

    ``samples``: float32 [n], 16 kHz mono in -1…1, of the utterance up to a fixed silence after its last voice.
    """

    samples: NDArray[np.float32]


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
    ``voices``: of the ``voice_windows``, float32 [n, d]; None: there are none, or they could not be told.
    ``spoken``: what ``spoken_before`` is after this piece; empty where no language was detected. ``changes_at``: not
    decoded, because the language changes in the pause at this offset into ``samples``.
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
    spoken: Weights = field(default_factory=dict)
    changes_at: int | None = None
    voices: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
