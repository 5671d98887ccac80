"""Tokens of an utterance that are kept from one draft to the next, as a guess at its next text."""

import bisect
from dataclasses import dataclass

from stt_transcriber.core.decoding import DecodeRequest
from stt_transcriber.engines.onnx.scored_text import ScoredText
from stt_transcriber.engines.window import POSITION_SAMPLES


@dataclass(frozen=True)
class _KnownTokens:
    """Known tokens of an utterance.

    ``tokens``: those of its last draft, after those of earlier drafts that were said before its window; ``samples``:
    the position in the session at which each was said, rising.
    """

    tokens: list[int]
    samples: list[int]

    def said_before(self, sample: int) -> int:
        """Count the tokens that were said before ``sample``."""
        return bisect.bisect_left(self.samples, sample)


def guess(request: DecodeRequest, limit: int) -> list[int]:
    """Return up to ``limit`` known tokens, without those that were said before the window."""
    kept = _known(request)
    inside = kept.said_before(request.begin)
    return kept.tokens[inside : inside + limit]


def keep(request: DecodeRequest, scored: ScoredText) -> None:
    """Keep the tokens of the request's text in its memory, if it has one."""
    if request.memory is None:
        return
    kept, text = _known(request), scored.text
    before = kept.said_before(request.begin)
    samples = [request.begin + int(start) * POSITION_SAMPLES for start in scored.starts[: len(text.tokens)]]
    # A loop is useless as a guess.
    tokens = [] if text.truncated else text.tokens
    request.memory.kept = _KnownTokens(kept.tokens[:before] + tokens, kept.samples[:before] + samples[: len(tokens)])


def _known(request: DecodeRequest) -> _KnownTokens:
    kept = request.memory.kept if request.memory is not None else None
    return kept if isinstance(kept, _KnownTokens) else _KnownTokens([], [])
