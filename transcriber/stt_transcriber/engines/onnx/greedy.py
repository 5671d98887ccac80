"""Greedy decoding of several windows at once, each along what it may say.

A window that grew says mostly what it said half a second ago. So its earlier tokens go through the decoder in one run;
as far as each is what the model would choose, it is chosen (speculative decoding with the last draft as the guess, so
the text is the one that stepping would give). From the first difference on, token by token, until the text comes back
to the guess or begins to repeat itself: the rest of the guess, or the repetition, goes through in one run again.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.engines.onnx.model import Floats, OnnxWhisper
from stt_transcriber.engines.onnx.search import Job, Text, Tokens

_NEAR_TOKENS = 6
"""So far ahead the text may come back to its guess: something was put in, left out or replaced."""
_REPEATED_TOKENS = 3
"""As many once more are taken for a repetition."""
_AHEAD_TOKENS = 12
"""Of a repetition as many go through at once."""
_LAST_DIGITS = 0.05
"""More than a logarithmic probability differs from run to run by what goes through beside its token."""


class _Row:
    """One window. ``feed``: tokens that go through next, the first ``sure`` of which are start or text, while the
    others may be; ``place`` of the first in start and text."""

    def __init__(self, job: Job, least_logprob: float) -> None:
        self.text = Text()
        self.place = 0
        self.feed = [*job.start, *job.guess]
        self.sure = len(job.start)
        self._job = job
        self._least_logprob = least_logprob
        self._guess: Sequence[int] = ()  # what is left of it

    def read(self, tokens: Tokens, chosen: NDArray[np.int64], logprobs: Floats, attention: Floats) -> int:
        """``chosen``, ``logprobs``, ``attention``: the best tokens behind the last sure one and each that may be.
        Sets what goes through next, nothing when the text is over. How many of ``feed`` are the text's own."""
        guess = self.feed[self.sure :]
        following = None
        right = 0
        for candidates, their_logprobs, looked in zip(chosen.tolist(), logprobs.tolist(), attention, strict=True):
            best = next(i for i, token in enumerate(candidates) if self.text.tokens or token not in tokens.not_first)
            token = candidates[best]
            if not self._take(tokens.end, token, their_logprobs[best], looked):
                break
            if right == len(guess) or token != guess[right]:
                following = token
                break
            right += 1
        held = self.sure + right
        if guess:
            self._guess = guess[right:]
        self.place += held
        self.feed = [] if following is None else [following, *self._ahead(following)]
        self.sure = 1
        return held

    def _take(self, end: int, token: int, logprob: float, attention: Floats) -> bool:
        """Adds the token; False when the text is over."""
        self.text.logprobs.append(logprob)
        self.text.attention.append(attention)
        if logprob < self._least_logprob:
            self.text.doubtful = True
            return False
        if token == end:
            return False
        if self._job.is_too_long(self.text.tokens):
            self.text.truncated = True
            return False
        self.text.tokens.append(token)
        return True

    def _ahead(self, token: int) -> Sequence[int]:
        """What may follow."""
        near = self._guess[:_NEAR_TOKENS]
        return self._guess[near.index(token) + 1 :] if token in near else _repetition(self.text.tokens)


def decode(model: OnnxWhisper, tokens: Tokens, jobs: Sequence[Job], least_logprob: float = -math.inf) -> list[Text]:
    """Decodes all at once; results in the order of the jobs. A text is given up, ``doubtful``, at the first token that
    is less probable than ``least_logprob``, a natural logarithm."""
    batch = model.batch([job.encoding for job in jobs])
    rows = [_Row(job, least_logprob) for job in jobs]
    kept = np.zeros((len(rows), 0), np.bool_)  # columns of the cache that hold the text
    while live := [index for index, row in enumerate(rows) if row.feed]:
        opening = not kept.shape[1]
        states, attention = batch.run(*_columns(rows, kept))
        news = [slice(rows[index].sure - 1, len(rows[index].feed)) for index in live]
        wanted = np.concatenate([states[index, new] for index, new in zip(live, news, strict=True)])
        if opening:
            starts = np.stack([states[index, job.sot] for index, job in enumerate(jobs)])
            chosen, logprobs, no_speech = model.open(wanted, starts, 1 + len(tokens.not_first))
            for row, prob in zip(rows, no_speech, strict=True):
                row.text.no_speech_prob = prob
        else:
            chosen, logprobs = model.choose(wanted, 1)
        own = np.zeros(states.shape[:2], np.bool_)
        begin = 0
        for index, new in zip(live, news, strict=True):
            end = begin + new.stop - new.start
            held = rows[index].read(tokens, chosen[begin:end], logprobs[begin:end], attention[index, new])
            own[index, :held] = True
            begin = end
        kept = np.concatenate([kept, own], axis=1)
    return [row.text for row in rows]


def sure(model: OnnxWhisper, tokens: Tokens, job: Job, least_logprob: float) -> Text | None:
    """The greedy text if each of its tokens is as probable as that, a natural logarithm; else None.

    The answer does not hang on the job's guess: the text that is found goes through once more as the guess, unless it
    was, and its numbers are those of that one run.
    """
    found = decode(model, tokens, [job], least_logprob - _LAST_DIGITS)[0]
    if found.doubtful or found.truncated:
        return None
    text = found
    if found.tokens != list(job.guess):
        text = decode(model, tokens, [replace(job, guess=found.tokens)], least_logprob)[0]
    same = text.tokens == found.tokens and not text.truncated
    return text if same and min(text.logprobs) >= least_logprob else None


def _columns(
    rows: Sequence[_Row], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """What goes through next: tokens and their places [B, n], and what each looks at."""
    width = max(len(row.feed) for row in rows)
    columns = np.zeros((len(rows), width), np.int64)
    for index, row in enumerate(rows):
        columns[index, : len(row.feed)] = row.feed
    places = np.array([row.place for row in rows])[:, None] + np.arange(width)
    before = np.repeat(kept[:, None], width, axis=1)
    own = np.tile(np.tri(width, dtype=np.bool_), (len(rows), 1, 1))
    return columns, places, np.concatenate([before, own], axis=2)


def _repetition(text: Sequence[int]) -> Sequence[int]:
    """What follows if the text goes on as it did when it last ended so; nothing if it never did."""
    ending = text[-_REPEATED_TOKENS:]
    for begin in range(len(text) - _REPEATED_TOKENS - 1, -1, -1):
        if text[begin : begin + _REPEATED_TOKENS] == ending:
            period = len(text) - _REPEATED_TOKENS - begin
            return [text[i % period - period] for i in range(_AHEAD_TOKENS)]
    return ()
