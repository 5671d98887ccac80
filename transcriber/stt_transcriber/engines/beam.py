"""Beam search over one window. The beams are a tree in one attention cache, so that all of them share the window's
keys and values: each token looks at its own ancestors only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.engines.onnx_model import Floats, OnnxWhisper
from stt_transcriber.engines.search import Job, Text, Tokens

_REPEAT_TOKENS = 4


@dataclass
class _Beam:
    """A text in the making. ``seen`` bool [cache]: the columns that its next token looks at."""

    total: float
    tokens: list[int]
    logprobs: list[float]
    attention: list[Floats]
    seen: NDArray[np.bool_]


@dataclass(frozen=True)
class _Step:
    """A token that may follow a beam."""

    total: float
    beam: int
    token: int
    logprob: float


def decode(model: OnnxWhisper, tokens: Tokens, job: Job, beam_size: int, *, may_repeat: bool = True) -> Text:
    """The most probable text by mean logarithmic probability (Whisper's length normalisation), end included.

    Ends when ``beam_size`` texts have ended, and none that still grows is, long as it is, more probable as a whole:
    where speech repeats itself, short texts end early and often. The guess of the job is not used: the same window
    gives the same text, always. Not ``may_repeat``: no four tokens come twice in a row in one text.
    """
    batch = model.batch([job.encoding])
    width = len(job.start)
    states, attention = batch.run(
        np.array([job.start], np.int64), np.arange(width)[None], np.tri(width, dtype=np.bool_)[None]
    )
    no_speech_prob = model.no_speech_prob(states[0, job.sot])
    states, attention = states[:, -1:], attention[:, -1:]
    live = [_Beam(0.0, [], [], [], np.ones(width, np.bool_))]
    ended: list[tuple[float, Text]] = []
    likeliest = float("-inf")  # of the texts that ended, as a whole
    while True:
        steps = _steps(model, tokens, live, states[0], beam_size, may_repeat)
        grown: list[_Beam] = []
        for step in steps:
            if len(grown) == beam_size:
                # What ends below this rank is less probable than all that go on.
                break
            beam = live[step.beam]
            logprobs, looked = [*beam.logprobs, step.logprob], [*beam.attention, attention[0, step.beam]]
            if step.token == tokens.end:
                likeliest = max(likeliest, step.total)
                ended.append((step.total / len(logprobs), Text(no_speech_prob, beam.tokens, logprobs, looked)))
            else:
                grown.append(_Beam(step.total, [*beam.tokens, step.token], logprobs, looked, beam.seen))
        growing = any(beam.total > likeliest for beam in grown)
        too_long = bool(grown) and len(grown[0].tokens) > job.limit
        if too_long and not ended:
            longest = grown[0]
            return Text(no_speech_prob, longest.tokens[:-1], longest.logprobs, longest.attention, truncated=True)
        if too_long or not grown or (len(ended) >= beam_size and not growing):
            return max(ended, key=lambda scored: scored[0])[1]
        live = grown
        own = np.eye(len(live), dtype=np.bool_)
        for row, beam in enumerate(live):
            others = np.zeros(batch.columns - len(beam.seen), np.bool_)
            beam.seen = np.concatenate([beam.seen, others, own[row]])
        newest = np.array([[beam.tokens[-1] for beam in live]], np.int64)
        places = np.full_like(newest, width + len(live[0].tokens) - 1)
        states, attention = batch.run(newest, places, np.stack([beam.seen for beam in live])[None])


def _steps(
    model: OnnxWhisper, tokens: Tokens, live: list[_Beam], states: Floats, beam_size: int, may_repeat: bool
) -> list[_Step]:
    """The best steps over all beams, falling: enough of them that ``beam_size`` beams grow, whatever ends."""
    # A text may be followed by so many tokens that would repeat it, and by others still.
    refused = len(tokens.not_first) if may_repeat else len(tokens.not_first) + len(live[0].tokens)
    chosen, logprobs = model.choose(states, beam_size + 1 + refused)
    steps = [
        _Step(beam.total + float(logprob), index, int(token), float(logprob))
        for index, beam in enumerate(live)
        for token, logprob in zip(chosen[index], logprobs[index], strict=True)
        if (beam.tokens or int(token) not in tokens.not_first) and (may_repeat or not _repeats(beam.tokens, int(token)))
    ]
    return sorted(steps, key=lambda step: -step.total)[: 2 * beam_size]


def _repeats(text: list[int], token: int) -> bool:
    ending = [*text[1 - _REPEAT_TOKENS :], token]
    if len(ending) < _REPEAT_TOKENS:
        return False
    return any(text[i : i + _REPEAT_TOKENS] == ending for i in range(len(text) - _REPEAT_TOKENS + 1))
