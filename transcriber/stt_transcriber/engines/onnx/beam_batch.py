"""Beam search over several windows at once: one run of the decoder carries the newest tokens of all their beams.

A window has the same result as if it were decoded alone. The model's sequences do not depend on each other (see
``FileWhisper``), windows that step together have contexts of the same length, each feeds as many tokens per run as a
search may have beams, used or not, windows with keyterms do not step together with others, and abandoned beams stay in
the cache: a text's tokens lie where they would lie if it were alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.engines.base import GiveWay
from stt_transcriber.engines.onnx.beam import Search
from stt_transcriber.engines.onnx.file_model import FileBatch, FileWhisper
from stt_transcriber.engines.onnx.search import Asked, DecodedText, TokenRules, Window


def decode(
    model: FileWhisper,
    rules: TokenRules,
    windows: Sequence[Window],
    beam_size: int,
    give_way: GiveWay,
    *,
    may_repeat: bool = True,
) -> list[DecodedText]:
    """Return the result of ``beam.decode`` for each window; calls ``give_way`` before each run of the decoder."""
    texts: dict[int, DecodedText] = {}
    kinds = [(len(window.start), window.keyterms is None) for window in windows]
    for kind in sorted(set(kinds)):
        alike = [index for index, one in enumerate(kinds) if one == kind]
        run_together = _decode(model, rules, [windows[index] for index in alike], beam_size, give_way, may_repeat)
        texts.update(zip(alike, run_together, strict=True))
    return [texts[index] for index in range(len(windows))]


def _decode(
    model: FileWhisper, rules: TokenRules, windows: list[Window], beam_size: int, give_way: GiveWay, may_repeat: bool
) -> list[DecodedText]:
    give_way()
    batch = model.batch([window.encoding for window in windows])
    width = len(windows[0].start)
    starts = np.array([window.start for window in windows], np.int64)
    seen = np.tile(np.tri(width, dtype=np.bool_), (len(windows), 1, 1))
    states, attention = batch.run(starts, np.tile(np.arange(width), (len(windows), 1)), seen)
    searches = [
        Search(rules, window, beam_size, model.no_speech_prob(states[row, window.sot]), may_repeat=may_repeat)
        for row, window in enumerate(windows)
    ]
    asked = Asked(windows)
    states, attention = states[:, -1:], attention[:, -1:]
    texts: list[DecodedText | None] = [None] * len(windows)
    rows = list(range(len(windows)))  # row of the batch -> index of the window
    while True:
        wanted = max(searches[index].wanted for index in rows)
        choices = model.choose(states.reshape(-1, states.shape[2]), wanted, asked.tokens)
        each = len(choices.tokens) // len(rows)
        for row, index in enumerate(rows):
            search, begin = searches[index], row * each
            own = asked.rows(choices, begin, begin + len(search.live), index)
            texts[index] = search.step(own.best(search.wanted), attention[row])
        for row in reversed(range(len(rows))):
            if texts[rows[row]] is not None:
                batch.drop(row)
                rows[row] = rows[-1]
                rows.pop()
        if not rows:
            return [text for text in texts if text is not None]
        live = [searches[index] for index in rows]
        give_way()
        states, attention = batch.run(*_grown(batch, live))


def _grown(
    batch: FileBatch, searches: Sequence[Search]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the decoder's next input: tokens and their positions [B, beams], and the columns that each attends to."""
    most = searches[0].most
    tokens = np.zeros((len(searches), most), np.int64)
    seen = np.zeros((len(searches), most, batch.columns + most), np.bool_)
    for row, search in enumerate(searches):
        for index, beam in enumerate(search.live):
            tokens[row, index] = beam.tokens[-1]
            seen[row, index, : len(beam.seen)] = beam.seen
            seen[row, index, batch.columns + index] = True
            beam.seen = seen[row, index]
        # An unused row that attends to nothing would be NaN.
        seen[row, len(search.live) :, 0] = True
    positions = np.repeat(np.array([[search.position] for search in searches], np.int64), most, axis=1)
    return tokens, positions, seen
