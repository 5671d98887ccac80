"""Beam search over one window.

The beams form a tree in one attention cache, so that all of them share the window's keys and values: each token attends
to its own ancestors only.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.engines.keyterms import BEGINNING, Progress
from stt_transcriber.engines.onnx.model import Choices, Floats, OnnxWhisper
from stt_transcriber.engines.onnx.search import Asked, Candidate, DecodedText, TokenRules, Window, candidates

_REPEAT_TOKENS = 4
_PHRASE_BEAMS = 1
"""Number of beams for texts that are kept for the phrase that they are in, and take no place from others."""


@dataclass
class _Beam:
    """Unfinished text.

    ``total``: sum of its log-probabilities, and the bonus of its keyterms; ``earned``: the same without what it gives
    back if it leaves the phrase that it is in; ``for_phrase``: kept for that phrase, and dropped if it leaves it;
    ``seen``: bool [cache], the columns that its next token attends to.
    """

    total: float
    earned: float
    tokens: list[int]
    logprobs: list[float]
    attention: list[Floats]
    seen: NDArray[np.bool_]
    progress: Progress = BEGINNING
    for_phrase: bool = False


@dataclass(frozen=True)
class _Step:
    """Token that may follow a beam; ``total``, ``earned``, ``for_phrase``: of the text with it."""

    total: float
    earned: float
    for_phrase: bool
    beam: int
    candidate: Candidate


class Search:
    """Search over one window, without the model: given the tokens that may follow each beam, it decides which continue.

    The search ends when ``beam_size`` texts have ended and no text that still grows, although longer, is more probable
    as a whole: where speech repeats itself, short texts end early and often. Texts rank by what they have earned. The
    best of the rest with the bonus of a phrase that has begun continues as well, so a phrase that is not completed
    changes nothing. The window's guess is not used: the same window always gives the same text. Without ``may_repeat``,
    no sequence of four tokens occurs twice in one text.
    """

    def __init__(
        self, rules: TokenRules, window: Window, beam_size: int, no_speech_prob: float, *, may_repeat: bool = True
    ) -> None:
        self._rules = rules
        self._window = window
        self._beam_size = beam_size
        self._no_speech_prob = no_speech_prob
        self._may_repeat = may_repeat
        self._width = len(window.opening)
        self._ended: list[tuple[float, DecodedText]] = []
        self._likeliest = float("-inf")  # highest total log-probability of the ended texts
        self.live = [_Beam(0.0, 0.0, [], [], [], np.ones(self._width, np.bool_), window.progress)]

    @property
    def most(self) -> int:
        """Maximum number of beams."""
        return self._beam_size + (_PHRASE_BEAMS if self._window.keyterms else 0)

    @property
    def wanted(self) -> int:
        """Number of best tokens that must be known after each beam."""
        # Up to this many of a text's best continuations may be rejected as repetitions; others must be left.
        repeats = 0 if self._may_repeat else len(self.live[0].tokens)
        return self._beam_size + 1 + len(self._rules.not_first) + repeats

    @property
    def position(self) -> int:
        """Position of the beams' newest tokens, counted in start and text."""
        return self._width + len(self.live[0].tokens) - 1

    def step(self, choices: Choices, attention: Floats) -> DecodedText | None:
        """Extend the beams by one token; return the text once it is found, otherwise None.

        ``choices``: the ``wanted`` best tokens after each live beam; ``attention``: float32 [beams, T].
        """
        grown: list[_Beam] = []
        steps = self._steps(choices)
        ranked = iter([step for step in steps if not step.for_phrase])
        # A text that ends below the rank of all beams that continue is less probable than they are.
        while len(grown) < self._beam_size and (step := next(ranked, None)):
            if step.candidate.token == self._rules.end:
                self._end(step, attention)
            else:
                grown.append(self._grown(step, attention))
        others = [*ranked, *(step for step in steps if step.for_phrase)]
        in_phrase = sorted((step for step in others if step.candidate.pending), key=lambda step: -step.total)
        for step in in_phrase[: self.most - self._beam_size]:
            grown.append(self._grown(replace(step, for_phrase=True), attention))
        live = [beam for beam in grown if not self._window.is_too_long(beam.tokens[:-1])]
        if grown and not live and not self._ended:
            longest = grown[0]
            return DecodedText(
                self._no_speech_prob, longest.tokens[:-1], longest.logprobs, longest.attention, truncated=True
            )
        growing = any(beam.earned > self._likeliest for beam in live if not beam.for_phrase)
        if len(self._ended) >= self._beam_size and not growing:
            # Only a phrase that is completed can still win.
            live = [replace(beam, for_phrase=True) for beam in live if beam.total > self._likeliest]
        if not live:
            return max(self._ended, key=lambda scored: scored[0])[1]
        self.live = live
        return None

    def _end(self, step: _Step, attention: Floats) -> None:
        text = self._grown(step, attention)
        self._likeliest = max(self._likeliest, text.total)
        decoded = DecodedText(self._no_speech_prob, text.tokens[:-1], text.logprobs, text.attention)
        self._ended.append((text.total / len(text.logprobs), decoded))

    def _grown(self, step: _Step, attention: Floats) -> _Beam:
        beam, candidate = self.live[step.beam], step.candidate
        return _Beam(
            step.total,
            step.earned,
            [*beam.tokens, candidate.token],
            [*beam.logprobs, candidate.logprob],
            [*beam.attention, attention[step.beam]],
            beam.seen,
            candidate.progress,
            step.for_phrase,
        )

    def _steps(self, choices: Choices) -> list[_Step]:
        """Return the steps of all beams, in descending order of what they have earned."""
        rows = zip(choices.tokens.tolist(), choices.logprobs.tolist(), choices.answers, strict=True)
        steps = [
            _Step(
                total := beam.total + candidate.score,
                total - candidate.pending,
                beam.for_phrase and not candidate.keeps,
                index,
                candidate,
            )
            for index, (beam, row) in enumerate(zip(self.live, rows, strict=True))
            for candidate in candidates(self._window.keyterms, beam.progress, *row)
            if (beam.tokens or candidate.token not in self._rules.not_first)
            and (self._may_repeat or not _repeats(beam.tokens, candidate.token))
        ]
        return sorted(steps, key=lambda step: -step.earned)


def decode(
    model: OnnxWhisper, rules: TokenRules, window: Window, beam_size: int, *, may_repeat: bool = True
) -> DecodedText:
    """Return the text with the highest mean log-probability, including the end token (Whisper's length normalisation).

    See ``Search``.
    """
    batch = model.batch([window.encoding])
    opening = window.opening
    width = len(opening)
    states, attention = batch.run(
        np.array([opening], np.int64), np.arange(width)[None], np.tri(width, dtype=np.bool_)[None]
    )
    search = Search(rules, window, beam_size, model.no_speech_prob(states[0, window.sot]), may_repeat=may_repeat)
    asked = Asked([window])
    states, attention = states[:, -1:], attention[:, -1:]
    while True:
        choices = model.choose(states[0], search.wanted, asked.tokens)
        if (text := search.step(choices, attention[0])) is not None:
            return text
        live = search.live
        own = np.eye(len(live), dtype=np.bool_)
        for row, beam in enumerate(live):
            others = np.zeros(batch.columns - len(beam.seen), np.bool_)
            beam.seen = np.concatenate([beam.seen, others, own[row]])
        newest = np.array([[beam.tokens[-1] for beam in live]], np.int64)
        positions = np.full_like(newest, search.position)
        states, attention = batch.run(newest, positions, np.stack([beam.seen for beam in live])[None])


def _repeats(text: list[int], token: int) -> bool:
    ending = [*text[1 - _REPEAT_TOKENS :], token]
    if len(ending) < _REPEAT_TOKENS:
        return False
    return any(text[i : i + _REPEAT_TOKENS] == ending for i in range(len(text) - _REPEAT_TOKENS + 1))
