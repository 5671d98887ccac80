"""Greedy decoding of several windows at once, each along a guess at its text.

A window that grew mostly repeats what it said half a second ago, so its earlier tokens go through the decoder in one
run; each is accepted as long as it is what the model would choose (speculative decoding with the last draft as the
guess, so the text is the same as with single steps). From the first difference on, decoding continues token by token
until the text returns to the guess or begins to repeat itself: then the rest of the guess, or the repetition, again
goes through in one run.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.engines.onnx.model import Choices, Floats, OnnxWhisper
from stt_transcriber.engines.onnx.search import Asked, Candidate, DecodedText, TokenRules, Window, candidates

_NEAR_TOKENS = 6
"""Number of tokens within which the text may return to its guess after an insertion, an omission or a replacement."""
_REPEATED_TOKENS = 3
"""Number of tokens that must recur to count as a repetition."""
_AHEAD_TOKENS = 12
"""Number of tokens of a repetition that go through in one run."""
_LAST_DIGITS = 0.05
"""Upper limit for the difference in a token's log-probability between runs, which depends on the other tokens in the
run."""


@dataclass(frozen=True)
class _Fork:
    """Place in a text where the bonus of a phrase decided, and the token that the model alone would have chosen."""

    place: int
    plain: Candidate
    attention: Floats


class _Row:
    """State of one window.

    ``feed``: tokens for the next run, the first ``sure`` of which belong to the start or the text, while the others are
    guesses; ``position``: index of the first of them in start and text.
    """

    def __init__(self, window: Window, least_logprob: float) -> None:
        self.text = DecodedText()
        self.position = 0
        opening = window.opening
        self.feed = [*opening, *window.guess]
        self.sure = len(opening)
        self._window = window
        self._least_logprob = least_logprob
        self._guess: Sequence[int] = ()  # the part not used yet
        self._progress = window.progress
        self._fork: _Fork | None = None  # the first one in a phrase that is not complete yet

    def read(self, rules: TokenRules, choices: Choices, attention: Floats) -> tuple[int, int]:
        """Add the chosen tokens to the text.

        ``choices``, ``attention``: the best tokens after the last sure token and after each guessed one. Returns how
        many tokens of ``feed`` were right, and how many of the newest tokens fed so far belong to the text no longer.
        Sets ``feed`` for the next run; it is empty when the text is over.
        """
        guess = self.feed[self.sure :]
        following = None
        right = withdrawn = 0
        for tokens, logprobs, answers, looked in zip(
            choices.tokens.tolist(), choices.logprobs.tolist(), choices.answers, attention, strict=True
        ):
            best = next(i for i, token in enumerate(tokens) if self.text.tokens or token not in rules.not_first)
            plain = tokens[best], logprobs[best]
            if self._window.keyterms is None:
                token, logprob = plain
            else:
                before = len(self.text.tokens)
                token, logprob, looked = self._biased(rules, plain, answers, looked)
                withdrawn = before - len(self.text.tokens)
            if not self._accept(rules.end, token, logprob, looked):
                break
            if withdrawn or right == len(guess) or token != guess[right]:
                following = token
                break
            right += 1
        accepted = self.sure + right
        if guess:
            self._guess = guess[right:]
        self.position += accepted - withdrawn
        self.feed = [] if following is None else [following, *self._ahead(following)]
        self.sure = 1
        return accepted, withdrawn

    def _biased(
        self, rules: TokenRules, plain: tuple[int, float], answers: Floats, looked: Floats
    ) -> tuple[int, float, Floats]:
        """Return the next token with its log-probability and attention.

        Where a phrase that the bonus led to is not completed, go back to where it decided: the text ends there, and the
        token is the one that the model alone would have chosen.
        """
        keyterms = self._window.keyterms
        assert keyterms is not None
        ranked = [
            candidate
            for candidate in candidates(keyterms, self._progress, plain[:1], plain[1:], answers)
            if self.text.tokens or candidate.token not in rules.not_first
        ]
        chosen, place = ranked[0], len(self.text.tokens)
        begins = place + 1 - keyterms.begun(chosen.progress)
        if self._fork and not chosen.keeps and begins > self._fork.place:
            fork, self._fork = self._fork, None
            self._progress = fork.plain.progress
            for kept in (self.text.tokens, self.text.logprobs, self.text.attention):
                del kept[fork.place :]
            return fork.plain.token, fork.plain.logprob, fork.attention
        if chosen.keeps:
            self._fork = None
        if self._fork is None and chosen.token != plain[0]:
            alone = next(candidate for candidate in ranked if candidate.token == plain[0])
            self._fork = _Fork(place, alone, looked)
        self._progress = chosen.progress
        return chosen.token, chosen.logprob, looked

    def _accept(self, end: int, token: int, logprob: float, attention: Floats) -> bool:
        """Add the token; return False if the text is over."""
        self.text.logprobs.append(logprob)
        self.text.attention.append(attention)
        if logprob < self._least_logprob:
            self.text.doubtful = True
            return False
        if token == end:
            return False
        if self._window.is_too_long(self.text.tokens):
            self.text.truncated = True
            return False
        self.text.tokens.append(token)
        return True

    def _ahead(self, token: int) -> Sequence[int]:
        """Guess the tokens that may follow."""
        near = self._guess[:_NEAR_TOKENS]
        return self._guess[near.index(token) + 1 :] if token in near else _repetition(self.text.tokens)


def decode(
    model: OnnxWhisper, rules: TokenRules, windows: Sequence[Window], least_logprob: float = -math.inf
) -> list[DecodedText]:
    """Decode all windows at once; return the texts in the order of the windows.

    A text is given up, ``doubtful``, at the first token less probable than ``least_logprob``, a natural logarithm.
    """
    batch = model.batch([window.encoding for window in windows])
    rows = [_Row(window, least_logprob) for window in windows]
    asked = Asked(windows)
    kept = np.zeros((len(rows), 0), np.bool_)  # columns of the cache that hold the text
    while live := [index for index, row in enumerate(rows) if row.feed]:
        opening = not kept.shape[1]
        states, attention = batch.run(*_columns(rows, kept))
        news = [slice(rows[index].sure - 1, len(rows[index].feed)) for index in live]
        wanted = np.concatenate([states[index, new] for index, new in zip(live, news, strict=True)])
        if opening:
            starts = np.stack([states[index, window.sot] for index, window in enumerate(windows)])
            choices, no_speech = model.open(wanted, starts, 1 + len(rules.not_first), asked.tokens)
            for row, prob in zip(rows, no_speech, strict=True):
                row.text.no_speech_prob = prob
        else:
            choices = model.choose(wanted, 1, asked.tokens)
        kept = np.concatenate([kept, np.zeros(states.shape[:2], np.bool_)], axis=1)
        columns = kept[:, -states.shape[1] :]
        begin = 0
        for index, new in zip(live, news, strict=True):
            end = begin + new.stop - new.start
            accepted, withdrawn = rows[index].read(rules, asked.rows(choices, begin, end, index), attention[index, new])
            columns[index, :accepted] = True
            if withdrawn:
                kept[index, np.flatnonzero(kept[index])[-withdrawn:]] = False
            begin = end
    return [row.text for row in rows]


def sure(model: OnnxWhisper, rules: TokenRules, window: Window, least_logprob: float) -> DecodedText | None:
    """Return the greedy text if each token's natural log-probability is at least ``least_logprob``, otherwise None.

    The answer does not depend on the window's guess: the text goes through once more as the guess, unless it was the
    guess already, and its probabilities are those of this one run.
    """
    first = decode(model, rules, [window], least_logprob - _LAST_DIGITS)[0]
    if first.doubtful or first.truncated:
        return None
    text = first
    if first.tokens != list(window.guess):
        text = decode(model, rules, [replace(window, guess=first.tokens)], least_logprob)[0]
    same = text.tokens == first.tokens and not text.truncated
    return text if same and min(text.logprobs) >= least_logprob else None


def _columns(
    rows: Sequence[_Row], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the decoder's next input: tokens and their positions [B, n], and the columns that each attends to."""
    width = max(len(row.feed) for row in rows)
    columns = np.zeros((len(rows), width), np.int64)
    for index, row in enumerate(rows):
        columns[index, : len(row.feed)] = row.feed
    positions = np.array([row.position for row in rows])[:, None] + np.arange(width)
    before = np.repeat(kept[:, None], width, axis=1)
    own = np.tile(np.tri(width, dtype=np.bool_), (len(rows), 1, 1))
    return columns, positions, np.concatenate([before, own], axis=2)


def _repetition(text: Sequence[int]) -> Sequence[int]:
    """Return the continuation after the last earlier occurrence of the text's ending; empty if there is none."""
    ending = text[-_REPEATED_TOKENS:]
    for begin in range(len(text) - _REPEATED_TOKENS - 1, -1, -1):
        if text[begin : begin + _REPEATED_TOKENS] == ending:
            period = len(text) - _REPEATED_TOKENS - begin
            return [text[i % period - period] for i in range(_AHEAD_TOKENS)]
    return ()
