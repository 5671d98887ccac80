"""Bonus for the phrases that a client expects, in any search that chooses token by token. Pure functions.

The tokens of all phrases form a trie. A token that begins or continues a phrase gets ``BOOST * (1 + ln depth)`` on top
of its log-probability, as in Moonshine's contextual biasing. The bonus stays with a text that holds the whole phrase,
followed by the end of a word; a text that leaves the phrase half-way gives it back, or half phrases would win. Searches
choose by the sum, and report the model's own log-probabilities. A bonus makes a phrase probable, never certain, and a
phrase right after itself gets none: a loop would gain from each round.

A phrase may be written as it was given, in lower case, capitalised, and, if it was given in lower case, with every word
capitalised; with a space before it or, at the beginning of a text and after a mark, without.
"""

import itertools
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.engines.words import UNSPACED

BOOST = 2.0
"""Bonus of a phrase's first token, in nats.

Chosen while begun phrases shared the beams of other texts: of 352 rare words, given among a hundred, 25 were wrong
without a bonus, 12 with 1, 10 with 1.5, 7 with 2, 5 with 2.5, 4 with 3; of the other words 5.8 % without, 5.7 % or less
up to 2, 5.9 % with 2.5, 7.5 % with 3. With a beam of their own, 2 leaves 10 of 27 (benchmarks/keyterms.py).
"""
LEAST_LOGPROB = math.log(1e-3)
"""Log-probability below which a token gets no bonus: what was said does not sound like the phrase."""
MOST_RELIEF = 0.9
"""Share of a phrase's improbability, as a negative log-probability, that its bonus may take away."""
_ANYWHERE, _AFTER_MARK = 0, 1
_NO_CHARACTER = "\ufffd"


@dataclass(frozen=True)
class Progress:
    """Phrases that the end of a text may be part of.

    ``nodes``: of the trie, one for each beginning of a phrase; ``bonuses`` and ``logprobs``: the sums of its tokens at
    each; ``after_mark``: the text is empty or ends in a mark.
    """

    nodes: tuple[int, ...] = ()
    bonuses: tuple[float, ...] = ()
    logprobs: tuple[float, ...] = ()
    after_mark: bool = True

    @property
    def owed(self) -> list[float]:
        """What the text gives back if it leaves the phrase at each node."""
        return [min(pair[0], -MOST_RELIEF * pair[1]) for pair in zip(self.bonuses, self.logprobs, strict=True)]


BEGINNING = Progress()
"""Progress of an empty text."""


@dataclass(frozen=True)
class Advance:
    """What a token does to a text.

    ``gain``: change of its bonus; ``pending``: what the text gives back if it leaves the phrase that it is in;
    ``keeps``: a phrase before the token is complete.
    """

    progress: Progress
    gain: float
    pending: float
    keeps: bool


class Keyterms:
    """Phrases as tokens of one model.

    ``encode`` and ``decode``: of its tokenizer, without special tokens; ``end``: the first special token. ``tokens``:
    every token that may get a bonus, int64, rising.
    """

    def __init__(
        self, phrases: Sequence[str], encode: Callable[[str], list[int]], decode: Callable[[list[int]], str], end: int
    ) -> None:
        self._decode = decode
        self._end = end
        self._edges: dict[int, tuple[bool, bool]] = {}
        self._children: list[dict[int, int]] = [{}, {}]
        self._depths = [0, 0]
        self._firsts = [_ANYWHERE, _AFTER_MARK]  # node -> that of the first token of its phrase
        self._ends: dict[int, bool] = {}  # node -> whether the phrase may end there in the middle of a word
        for phrase in phrases:
            for variant in _variants(phrase, encode):
                self._add(variant, encode)
        self.tokens: NDArray[np.int64] = np.unique(
            np.array([token for children in self._children for token in children], np.int64)
        )
        self._places = {token: place for place, token in enumerate(self.tokens.tolist())}
        self._first = [
            np.array([self._places[token] for token in self._children[root]], np.int64)
            for root in (_ANYWHERE, _AFTER_MARK)
        ]

    def advance(self, progress: Progress, token: int, logprob: float, *, leaves: bool = False) -> Advance:
        """Add a token with this log-probability to a text. ``leaves``: whatever it is, it belongs to no phrase."""
        complete = [self._completes(node, token) for node in progress.nodes]
        just_said = {self._firsts[node] for node in itertools.compress(progress.nodes, complete)}
        begun = [
            (node, 0.0, 0.0) if completes else (node, bonus, so_far)
            for node, bonus, so_far, completes in zip(
                progress.nodes, progress.bonuses, progress.logprobs, complete, strict=True
            )
        ]
        begun += [(root, 0.0, 0.0) for root in _roots(progress)]
        continued = [
            (child, bonus + BOOST * (1 + math.log(self._depths[child])), so_far + logprob)
            for node, bonus, so_far in begun
            if (child := self._children[node].get(token)) is not None and child not in just_said and not leaves
        ]
        nodes, bonuses, logprobs = zip(*continued, strict=True) if continued else ((), (), ())
        following = Progress(nodes, bonuses, logprobs, self._edges_of(token)[1])
        kept = itertools.compress(progress.owed, complete)
        before, after, kept_bonus = (max(some, default=0.0) for some in (progress.owed, following.owed, kept))
        return Advance(following, after - before + kept_bonus, after, any(complete))

    def likely(self, progress: Progress, logprobs: NDArray[np.float32]) -> Iterator[tuple[int, float]]:
        """Yield the tokens that begin or continue a phrase and may get a bonus, with their log-probabilities.

        ``logprobs``: float32, of ``tokens``, after a text with this ``progress``.
        """
        for node in progress.nodes:
            for token in self._children[node]:
                logprob = float(logprobs[self._places[token]])
                if logprob >= LEAST_LOGPROB:
                    yield token, logprob
        for root in _roots(progress):
            first = self._first[root]
            for place in first[logprobs[first] >= LEAST_LOGPROB].tolist():
                yield int(self.tokens[place]), float(logprobs[place])

    def begun(self, progress: Progress) -> int:
        """Return the number of tokens at the end of a text that belong to the longest phrase begun there."""
        return max((self._depths[node] for node in progress.nodes), default=0)

    def _add(self, variant: str, encode: Callable[[str], list[int]]) -> None:
        bare = not variant.startswith(" ")
        node = _AFTER_MARK if bare and not UNSPACED.match(variant[0]) else _ANYWHERE
        for token in encode(variant):
            children = self._children[node]
            if token not in children:
                children[token] = len(self._children)
                self._children.append({})
                self._depths.append(self._depths[node] + 1)
                self._firsts.append(self._firsts[node] if self._depths[node] else children[token])
            node = children[token]
        self._ends[node] = bool(UNSPACED.match(variant[-1]))

    def _completes(self, node: int, token: int) -> bool:
        """Check whether a phrase that may end at ``node`` does, if ``token`` follows."""
        return node in self._ends and (self._ends[node] or self._edges_of(token)[0])

    def _edges_of(self, token: int) -> tuple[bool, bool]:
        """Return whether a token does not continue the word before it, and whether it ends in a mark."""
        if token >= self._end:
            return True, True
        if token not in self._edges:
            text = self._decode([token])
            self._edges[token] = not _is_of_word(text[:1]), not _is_of_word(text[-1:])
        return self._edges[token]


def _roots(progress: Progress) -> tuple[int, ...]:
    return (_ANYWHERE, _AFTER_MARK) if progress.after_mark else (_ANYWHERE,)


def _variants(phrase: str, encode: Callable[[str], list[int]]) -> list[str]:
    """Return the ways in which a phrase may be written, with and without a space before it."""
    given = " ".join(unicodedata.normalize("NFC", phrase).split())
    written = [given, given[:1].upper() + given[1:]]
    if given == given.lower():
        written.append(" ".join(word[:1].upper() + word[1:] for word in given.split(" ")))
    elif len(encode(" " + given.lower())) > 1:
        # A single token is a common word, which needs no help, as "it" and "mark" of "IT" and "Mark".
        written.append(given.lower())
    spaces = ("",) if UNSPACED.match(given[:1]) else (" ", "")
    return list(dict.fromkeys(space + text for text in written for space in spaces))


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character == _NO_CHARACTER
