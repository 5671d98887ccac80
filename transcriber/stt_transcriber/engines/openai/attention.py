"""What the alignment heads attend to: word times, and which words the audio already holds in full.

The second is AlignAtt's question (Papi et al. 2023, "AlignAtt"): a token that attends to the edge of the audio is about
sound that has not been heard to its end.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from whisper.timing import median_filter

from stt_transcriber.engines.window import POSITIONS_PER_S

EDGE_POSITIONS = round(0.24 * POSITIONS_PER_S)
"""A token that attends so near to the end of the audio may be half heard.

Measured with tiny.en, 20 utterances, an update every 0.5 s: of the words committed by agreement and a margin of time
13.0 % are wrong, and they come 0.82 s after their end (median); by agreement and this edge 12.2 %, 0.86 s; with an edge
of 0.36 s 11.7 %, 0.96 s. Attention alone, without agreement: 13.6 %, 0.86 s at 0.3 s; 13.0 %, 1.10 s at 0.5 s.
"""
REWIND_POSITIONS = round(4.0 * POSITIONS_PER_S)
"""Speech does not jump so far back; a loop does."""
_MEDIAN_WIDTH = 7


def focus(scores: torch.Tensor, audio_positions: int) -> torch.Tensor:
    """How far each token attends to each position of the audio: [tokens, audio_positions], the mean of all heads.

    ``scores``: [heads, tokens, positions]. Each position is normed over the tokens, as in the package: some positions
    draw the attention of all of them.
    """
    weights = scores[..., :audio_positions].softmax(dim=-1)
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    normed: torch.Tensor = median_filter((weights - mean) / deviation.clamp(min=1e-8), _MEDIAN_WIDTH)
    return normed.mean(dim=0)


def path(focused: NDArray[np.float32]) -> list[tuple[int, int]]:
    """(token, position) pairs, rising: where each token begins and the last one ends, by dynamic time warping.

    ``focused``: [tokens, positions], see ``focus``. The package's search, a row at a time instead of a cell: staying
    in a row costs a difference of its running sums, so the cheapest place to enter it is a running minimum.
    """
    tokens, positions = focused.shape
    columns = np.arange(positions)
    unreachable = np.full(positions, np.inf)
    total = np.where(columns == 0, 0.0, np.inf)
    entered = np.zeros((tokens, positions), np.intp)
    diagonal = np.zeros((tokens, positions), bool)
    for token, cost in enumerate(-focused.astype(np.float64)):
        one_before = np.concatenate([[np.inf], total[:-1]]) if token else unreachable
        diagonal[token] = one_before < total
        running = np.cumsum(cost)
        entry = np.minimum(one_before, total) - (running - cost)
        cheapest = np.minimum.accumulate(entry)
        entered[token] = np.maximum.accumulate(np.where(entry == cheapest, columns, 0))
        total = cheapest + running
    position = positions - 1
    steps = [(tokens - 1, position)]
    for token in reversed(range(tokens)):
        position = int(entered[token, position])
        steps.append((token, position))
        position -= int(diagonal[token, position])
    return steps[::-1]


def settled_tokens(attended: Sequence[int], audio_positions: int) -> int:
    """How many tokens, from the first, the audio holds to their end: those before the last one that attends to sound
    well before the end of the audio, without a jump back. (The next token tells that a word is over.)

    ``attended``: the position that each token attends to most.
    """
    furthest = 0
    count = 0
    for position in attended:
        if position >= audio_positions - EDGE_POSITIONS or position < furthest - REWIND_POSITIONS:
            break
        furthest = max(furthest, position)
        count += 1
    return max(0, count - 1)
