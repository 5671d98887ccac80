"""Input and result of a search for the most probable text of a window."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from stt_transcriber.engines.onnx.model import Encoding, Floats
from stt_transcriber.engines.request import repeats_itself
from stt_transcriber.engines.window import MAX_POSITIONS


@dataclass(frozen=True)
class TokenRules:
    """Rules about tokens. ``end``: the end-of-text token; ``not_first``: tokens that no text begins with."""

    end: int
    not_first: frozenset[int]


@dataclass(frozen=True)
class Window:
    """One window to decode.

    ``start``: context, then task tokens; ``sot``: index of the start-of-transcript token in it; ``limit``: maximum
    number of new tokens; ``loop_limit``: maximum number for a text that repeats itself; ``guess``: possible text;
    ``audio_positions``: positions of the encoding that are not padding.
    """

    encoding: Encoding
    start: Sequence[int]
    sot: int
    limit: int
    guess: Sequence[int] = ()
    audio_positions: int = MAX_POSITIONS
    loop_limit: int = sys.maxsize

    def is_too_long(self, text: Sequence[int]) -> bool:
        """Return True if the text may not grow any further."""
        return len(text) >= self.limit or (len(text) >= self.loop_limit and repeats_itself(text))


@dataclass
class DecodedText:
    """Result of a search.

    ``tokens``: without the end token. ``logprobs``: one log-probability more than tokens, that of the end token.
    ``attention``: one row more as well, float32 [T]: where the decoder attended when it chose the token. ``truncated``:
    there was no end token. ``doubtful``: given up at a token that was too improbable.
    """

    no_speech_prob: float = 0.0
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    attention: list[Floats] = field(default_factory=list)
    truncated: bool = False
    doubtful: bool = False
