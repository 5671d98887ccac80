"""Greedy decoding of several windows at once, each along the text that it had before.

A window that grew says mostly what it said half a second ago. So its earlier tokens go through the decoder in one run;
as far as each is what the model would choose, it is chosen (speculative decoding with the last draft as the guess, so
the text is the one that stepping would give). From the first difference on, token by token.
"""

from collections.abc import Sequence

import numpy as np

from stt_transcriber.engines.onnx_model import Floats, OnnxWhisper
from stt_transcriber.engines.search import Job, Text, Tokens


def decode(model: OnnxWhisper, tokens: Tokens, jobs: Sequence[Job]) -> list[Text]:
    """Decodes all at once; results in the order of the jobs."""
    batch = model.batch([job.encoding for job in jobs])
    results = [Text() for _ in jobs]
    guesses = [[*job.start, *job.guess] for job in jobs]
    width = max(map(len, guesses))
    columns = np.zeros((len(jobs), width), np.int64)
    for row, guess in enumerate(guesses):
        columns[row, : len(guess)] = guess
    seen = np.tile(np.tri(width, dtype=np.bool_), (len(jobs), 1, 1))
    states, attention = batch.run(columns, np.tile(np.arange(width), (len(jobs), 1)), seen)

    kept = np.zeros((len(jobs), width), np.bool_)  # columns of the cache that hold the text
    following: dict[int, int] = {}
    for row, (job, guess, result) in enumerate(zip(jobs, guesses, results, strict=True)):
        begin = len(job.start) - 1
        result.no_speech_prob = model.no_speech_prob(states[row, job.sot])
        chosen, logprobs = model.choose(states[row, begin : len(guess)], 1 + len(tokens.not_first))
        for step, (candidates, their_logprobs) in enumerate(zip(chosen, logprobs, strict=True)):
            best = next(i for i, token in enumerate(candidates) if step > 0 or int(token) not in tokens.not_first)
            token = int(candidates[best])
            if not _take(result, job, tokens.end, token, float(their_logprobs[best]), attention[row, begin + step]):
                break
            if step == len(job.guess) or token != job.guess[step]:
                following[row] = token
                break
        # Of the guess, what was right stays; the token that differs has yet to go through.
        kept[row, : len(job.start) + len(result.tokens) - (row in following)] = True
    while following:
        kept = np.concatenate([kept, np.isin(np.arange(len(jobs)), list(following))[:, None]], axis=1)
        column = np.zeros((len(jobs), 1), np.int64)
        place = np.zeros((len(jobs), 1), np.int64)
        for row, token in following.items():
            column[row], place[row] = token, len(jobs[row].start) + len(results[row].tokens) - 1
        states, attention = batch.run(column, place, kept[:, None])
        rows = list(following)
        chosen, logprobs = model.choose(states[rows, 0], 1)
        for index, row in enumerate(rows):
            token = int(chosen[index, 0])
            if _take(results[row], jobs[row], tokens.end, token, float(logprobs[index, 0]), attention[row, 0]):
                following[row] = token
            else:
                del following[row]
    return results


def _take(result: Text, job: Job, end: int, token: int, logprob: float, attention: Floats) -> bool:
    """Adds the token; False when the text is over."""
    result.logprobs.append(logprob)
    result.attention.append(attention)
    if token == end:
        return False
    if len(result.tokens) == job.limit:
        result.truncated = True
        return False
    result.tokens.append(token)
    return True
