"""Input and result of a search for the most probable text of a window."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stt_transcriber.engines.keyterms import BEGINNING, Keyterms, Progress
from stt_transcriber.engines.onnx.model import NOTHING, Choices, Encoding, Floats
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
    ``audio_positions``: positions of the encoding that are not padding; ``keyterms``: phrases that get a bonus.
    ``earlier_positions``: positions before those, of earlier speech; ``said``: its tokens, which the text goes on from.
    """

    encoding: Encoding
    start: Sequence[int]
    sot: int
    limit: int
    guess: Sequence[int] = ()
    audio_positions: int = MAX_POSITIONS
    loop_limit: int = sys.maxsize
    keyterms: Keyterms | None = None
    earlier_positions: int = 0
    said: Sequence[int] = ()

    @property
    def opening(self) -> list[int]:
        """All tokens before the text."""
        return [*self.start, *self.said]

    @property
    def progress(self) -> Progress:
        """Progress of an empty text: a phrase may have begun in what was said before."""
        progress = BEGINNING
        if self.keyterms is not None:
            for token in self.said:
                progress = self.keyterms.advance(progress, token, 0.0).progress
        return progress

    @property
    def own(self) -> Encoding:
        """The encoding without the earlier speech."""
        return self.encoding.between(self.earlier_positions, self.encoding.positions)

    def is_too_long(self, text: Sequence[int]) -> bool:
        """Return True if the text may not grow any further."""
        return len(text) >= self.limit or (len(text) >= self.loop_limit and repeats_itself(text))


@dataclass(frozen=True)
class Candidate:
    """Token that may follow a text.

    ``score``: its log-probability with the bonus of the keyterms; ``pending``: the bonus of a phrase that the text is
    in, which it may have to give back; ``keeps``: a phrase before it is complete.
    """

    token: int
    logprob: float
    score: float
    progress: Progress
    pending: float = 0.0
    keeps: bool = False


def candidates(
    keyterms: Keyterms | None, progress: Progress, tokens: Sequence[int], logprobs: Sequence[float], answers: Floats
) -> list[Candidate]:
    """Return the tokens that may follow a text with this ``progress``, in descending order of their scores.

    ``tokens`` and ``logprobs``: the best by the model alone; ``answers``: log-probabilities of ``keyterms.tokens``.
    """
    if keyterms is None:
        return [Candidate(*pair, pair[1], BEGINNING) for pair in zip(tokens, logprobs, strict=True)]
    found = dict(zip(tokens, logprobs, strict=True))
    likely = dict(keyterms.likely(progress, answers))
    ranked = []
    for token, logprob in (found | likely).items():
        step = keyterms.advance(progress, token, logprob, leaves=token not in likely)
        ranked.append(Candidate(token, logprob, logprob + step.gain, step.progress, step.pending, step.keeps))
    return sorted(ranked, key=lambda candidate: -candidate.score)


class Asked:
    """Tokens of several windows' keyterms, asked of the model together."""

    def __init__(self, windows: Sequence[Window]) -> None:
        all_tokens = [window.keyterms.tokens for window in windows if window.keyterms]
        self.tokens = np.unique(np.concatenate(all_tokens)) if all_tokens else NOTHING
        self._places = [
            np.searchsorted(self.tokens, window.keyterms.tokens) if window.keyterms else NOTHING for window in windows
        ]

    def rows(self, choices: Choices, begin: int, end: int, index: int) -> Choices:
        """Return the rows ``begin`` to ``end``, with the answers that window ``index`` asked for."""
        answers = choices.answers[begin:end, self._places[index]]
        return Choices(choices.tokens[begin:end], choices.logprobs[begin:end], answers)


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
