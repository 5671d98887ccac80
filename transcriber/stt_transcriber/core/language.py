"""Language of one piece of speech: what its sound says, what was spoken before it, and what its texts say.

Whisper returns a share of each language for the sound. From a second of voice they are often wrong, from three seconds
hardly ever (of pieces of the corpus with base: 15 of 98 and 1 of 98). So the shares of little voice count less, and
each piece is expected to be in the language of those before it: this is the forward step of a hidden Markov model
whose states are the languages. Where two languages remain possible, the piece is decoded in both, and the
probabilities of the texts decide. Pure functions.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from stt_transcriber.core.decoding import DecodeRequest, Quality, Weights

FULL_EVIDENCE_S = 3.0
"""Voice from which shares count in full; the logarithms of those of less voice count in proportion to its length."""
STAYS = 8.0
"""How many times likelier the language of what was spoken before is than another one."""
RIVAL = 1 / 5
"""Least weight, as a share of the highest, of a language in which the piece is decoded too.

On 106 utterances alone this takes 6 more decodes, in sessions of one language 1. With 1/3 one more piece of 3 s is
wrong; with 1/10 none fewer."""
TEXTS_FROM_S = 1.5
"""Voice from which texts are compared: those of a word or two are improbable in any language."""
_UNLIKE = 1 / 3
"""Two neighbouring stretches differ in language if each finds the other's less than so likely as its own. A cut in a
pause costs little: one more decode, whose language is weighed with what is before it."""
_TEXT_TOKENS = 8.0
"""How many times the mean log-probability of a text's tokens counts. Not all of them: those of one text depend on each
other."""
_WORST_LOGPROB = -2.0
_HARDLY_SPOKEN = {"la": 0.05, "sa": 0.05}
"""Weight of languages that Whisper knows from recitation and that nobody grows up with: unless they are among the
languages of the request, they are mostly other speech in a strong accent."""
_MOST_RIVALS = 4
_MOST_KEPT = 5
_LEAST_KEPT = 0.01
_LEAST_SHARE = 1e-6


def weigh(request: DecodeRequest, shares: Mapping[str, float], before: Weights) -> Weights:
    """Return the weights of the likeliest languages, highest first, 1 in all.

    ``shares``: of each language of the model, from the sound; ``before``: weights of what was spoken before, empty if
    nothing was.
    """
    allowed = {code: max(shares.get(code, 0.0), _LEAST_SHARE) for code in request.languages or shares}
    if not request.languages:
        allowed = {code: share * _HARDLY_SPOKEN.get(code, 1.0) for code, share in allowed.items()}
    if not before:
        return _normalised(allowed)
    certainty = _certainty(request)
    total = sum(allowed.values())
    return _normalised(
        {code: (x / total) ** certainty * (before.get(code, 0) + 1 / STAYS) for code, x in allowed.items()}
    )


def rivals(request: DecodeRequest, weights: Weights) -> tuple[str, ...]:
    """Return the languages in which to decode, the likeliest first: mostly one."""
    codes = list(weights)
    if request.quality is Quality.DRAFT or request.voice_s < TEXTS_FROM_S:
        return tuple(codes[:1])
    return tuple(code for code in codes[:_MOST_RIVALS] if weights[code] >= weights[codes[0]] * RIVAL)


def with_texts(request: DecodeRequest, weights: Weights, logprobs: Mapping[str, float]) -> Weights:
    """Return the weights after the texts of the rivals, the highest first.

    ``logprobs``: the mean log-probability of each rival's text, -inf for a loop.
    """
    if len(logprobs) < 2:
        return weights
    worst = max(_WORST_LOGPROB, min(logprobs.values()))
    counts = _TEXT_TOKENS * _certainty(request)
    return _normalised(
        {code: x * math.exp(counts * max(logprobs.get(code, worst), _WORST_LOGPROB)) for code, x in weights.items()}
    )


def remembered(request: DecodeRequest, weights: Weights, before: Weights) -> Weights:
    """Return the weights with which the next piece begins: little voice at the beginning decides little."""
    if before:
        return weights
    certainty = _certainty(request)
    return _normalised({code: x**certainty for code, x in weights.items()})


def change(request: DecodeRequest, shares: Sequence[Mapping[str, float]]) -> int | None:
    """Return the index of the first of the request's stretches in another language than the one before it.

    ``shares``: of each stretch, from its sound. None: there is none. A stretch whose language is doubtful changes
    nothing.
    """
    weights = [weigh(request, sound, {}) for sound in shares]
    for index, (before, after) in enumerate(pairwise(weights), start=1):
        if _differs(before, after) and _differs(after, before):
            return index
    return None


def _differs(one: Weights, other: Weights) -> bool:
    code = next(iter(one))
    return other.get(code, 0.0) < _UNLIKE * next(iter(other.values()))


def _certainty(request: DecodeRequest) -> float:
    return min(1.0, request.voice_s / FULL_EVIDENCE_S)


def _normalised(weights: Mapping[str, float]) -> Weights:
    """Return the highest weights, in descending order, as shares of the sum of all that were given."""
    total = sum(weights.values())
    best = sorted(weights, key=lambda code: (-weights[code], code))[:_MOST_KEPT]
    return {code: weights[code] / total for code in best if code == best[0] or weights[code] >= _LEAST_KEPT * total}
