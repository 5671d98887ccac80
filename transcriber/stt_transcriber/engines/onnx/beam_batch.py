"""Beam search over several windows at once: one run of the decoder carries the newest tokens of all their beams.

A window has the same result as if it were decoded alone. The model's sequences do not depend on each other (see
``FileWhisper``), windows that step together have contexts of the same length, each feeds as many tokens per run as a
search may have beams, used or not, and abandoned beams stay in the cache: a text's tokens lie where they would lie if
it were alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.engines.base import GiveWay
from stt_transcriber.engines.onnx.beam import Search
from stt_transcriber.engines.onnx.file_model import FileBatch, FileWhisper
from stt_transcriber.engines.onnx.search import Job, Text, Tokens


def decode(
    model: FileWhisper,
    tokens: Tokens,
    jobs: Sequence[Job],
    beam_size: int,
    give_way: GiveWay,
    *,
    may_repeat: bool = True,
) -> list[Text]:
    """Return the result of ``beam.decode`` for each job; calls ``give_way`` before each run of the decoder."""
    texts: dict[int, Text] = {}
    for width in sorted({len(job.start) for job in jobs}):
        alike = [index for index, job in enumerate(jobs) if len(job.start) == width]
        run_together = _decode(model, tokens, [jobs[index] for index in alike], beam_size, give_way, may_repeat)
        texts.update(zip(alike, run_together, strict=True))
    return [texts[index] for index in range(len(jobs))]


def _decode(
    model: FileWhisper, tokens: Tokens, jobs: list[Job], beam_size: int, give_way: GiveWay, may_repeat: bool
) -> list[Text]:
    give_way()
    batch = model.batch([job.encoding for job in jobs])
    width = len(jobs[0].start)
    starts = np.array([job.start for job in jobs], np.int64)
    seen = np.tile(np.tri(width, dtype=np.bool_), (len(jobs), 1, 1))
    states, attention = batch.run(starts, np.tile(np.arange(width), (len(jobs), 1)), seen)
    searches = [
        Search(tokens, job, beam_size, model.no_speech_prob(states[row, job.sot]), may_repeat=may_repeat)
        for row, job in enumerate(jobs)
    ]
    states, attention = states[:, -1:], attention[:, -1:]
    found: list[Text | None] = [None] * len(jobs)
    rows = list(range(len(jobs)))  # row of the batch -> job
    while True:
        wanted = max(searches[job].wanted for job in rows)
        chosen, logprobs = model.choose(states.reshape(-1, states.shape[2]), wanted)
        shape = len(rows), -1, chosen.shape[1]
        chosen, logprobs = chosen.reshape(shape), logprobs.reshape(shape)
        for row, job in enumerate(rows):
            search = searches[job]
            beams, own = len(search.live), search.wanted
            found[job] = search.step(chosen[row, :beams, :own], logprobs[row, :beams, :own], attention[row])
        for row in reversed(range(len(rows))):
            if found[rows[row]] is not None:
                batch.drop(row)
                rows[row] = rows[-1]
                rows.pop()
        if not rows:
            return [text for text in found if text is not None]
        live = [searches[job] for job in rows]
        give_way()
        states, attention = batch.run(*_grown(batch, live, beam_size))


def _grown(
    batch: FileBatch, searches: Sequence[Search], beam_size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the decoder's next input: tokens and their positions [B, beams], and the columns that each attends to."""
    tokens = np.zeros((len(searches), beam_size), np.int64)
    seen = np.zeros((len(searches), beam_size, batch.columns + beam_size), np.bool_)
    for row, search in enumerate(searches):
        for index, beam in enumerate(search.live):
            tokens[row, index] = beam.tokens[-1]
            seen[row, index, : len(beam.seen)] = beam.seen
            seen[row, index, batch.columns + index] = True
            beam.seen = seen[row, index]
        # An unused row that attends to nothing would be NaN.
        seen[row, len(search.live) :, 0] = True
    places = np.repeat(np.array([[search.place] for search in searches], np.int64), beam_size, axis=1)
    return tokens, places, seen
