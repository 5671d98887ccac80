"""What goes into a search for the most probable text of a window, and what comes out."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from stt_transcriber.engines.onnx.model import Encoding, Floats
from stt_transcriber.engines.request import repeats_itself
from stt_transcriber.engines.window import MAX_POSITIONS


@dataclass(frozen=True)
class Tokens:
    """``end``: the end-of-text token; ``not_first``: what no text begins with."""

    end: int
    not_first: frozenset[int]


@dataclass(frozen=True)
class Job:
    """One window. ``start``: context, then task tokens; ``sot``: index of the start-of-transcript token in it; at most
    ``limit`` new tokens, and ``loop_limit`` of a text that repeats itself; ``guess``: what the text may be. ``heard``:
    positions of the encoding that are no pad."""

    encoding: Encoding
    start: Sequence[int]
    sot: int
    limit: int
    guess: Sequence[int] = ()
    heard: int = MAX_POSITIONS
    loop_limit: int = sys.maxsize

    def is_too_long(self, text: Sequence[int]) -> bool:
        """The text may not grow any further."""
        return len(text) >= self.limit or (len(text) >= self.loop_limit and repeats_itself(text))


@dataclass
class Text:
    """``tokens`` without the end. ``logprobs`` has one logarithmic probability more, that of the end, and ``attention``
    one row more, float32 [T]: where the decoder looked when it chose. ``truncated``: there was no end. ``doubtful``: it
    was given up at a token that was too improbable.
    """

    no_speech_prob: float = 0.0
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    attention: list[Floats] = field(default_factory=list)
    truncated: bool = False
    doubtful: bool = False
