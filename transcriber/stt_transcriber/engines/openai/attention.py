"""Attention of the alignment heads: word times, and which words the audio already contains in full.

The second follows AlignAtt (Papi et al. 2023, "AlignAtt"): a token that attends to the edge of the audio belongs to
sound that is not complete yet.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from whisper.timing import median_filter

from stt_transcriber.engines.window import POSITIONS_PER_S

EDGE_POSITIONS = round(0.24 * POSITIONS_PER_S)
"""Distance from the end of the audio within which a token may be half heard.

Measured with tiny.en, 20 utterances, an update every 0.5 s: with agreement and a time margin, 13.0 % of the committed
words are wrong, and they come 0.82 s after their end (median); with agreement and this edge, 12.2 % and 0.86 s; with an
edge of 0.36 s, 11.7 % and 0.96 s. Attention alone, without agreement: 13.6 % and 0.86 s at 0.3 s; 13.0 % and 1.10 s at
0.5 s.
"""
REWIND_POSITIONS = round(4.0 * POSITIONS_PER_S)
"""Distance that only a loop jumps back; speech does not."""
_MEDIAN_WIDTH = 7


def focus(scores: torch.Tensor, audio_positions: int) -> torch.Tensor:
    """Return how far each token attends to each audio position: [tokens, audio_positions], the mean of all heads.

    ``scores``: [heads, tokens, positions]. Each position is normalised over the tokens, as in the package, because some
    positions draw the attention of all tokens.
    """
    weights = scores[..., :audio_positions].softmax(dim=-1)
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    normed: torch.Tensor = median_filter((weights - mean) / deviation.clamp(min=1e-8), _MEDIAN_WIDTH)
    return normed.mean(dim=0)


def path(focused: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return (token, position) pairs, rising: where each token begins and the last one ends, by dynamic time warping.

    ``focused``: [tokens, positions], see ``focus``. This is the package's search, one row at a time instead of one
    cell: staying in a row costs a difference of its running sums, so the cheapest place to enter it is a running
    minimum.
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


def safe_tokens(attended: Sequence[int], audio_positions: int) -> int:
    """Count the tokens, from the first, that the audio contains to their end.

    These are the tokens before the last one that attends to sound well before the end of the audio, without a jump
    back. (The next token shows that a word is over.) ``attended``: the position that each token attends to most.
    """
    furthest = 0
    count = 0
    for position in attended:
        if position >= audio_positions - EDGE_POSITIONS or position < furthest - REWIND_POSITIONS:
            break
        furthest = max(furthest, position)
        count += 1
    return max(0, count - 1)
