"""Times of tokens, from the decoder's attention when it chose them. Pure functions."""

import numpy as np
from numpy.typing import NDArray


def token_starts(attention: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the first position of each token, rising: float32 [tokens, positions] -> int64 [tokens].

    Assigns every position to one token, in order, so that the attention along the path is as high as possible: dynamic
    time warping without steps that skip a position, as in Whisper's own word times. Each token's attention is taken as
    a share of its total over these positions, and compared with that of the other tokens at the same position: the last
    mark and the end token attend mostly to the silence after the window, and would otherwise leave the pause before
    it to the last word.
    """
    tokens, positions = attention.shape
    if tokens == 0 or positions == 0:
        return np.zeros(tokens, np.int64)
    shares = attention / (attention.sum(axis=1, keepdims=True) + 1e-9)
    seen = (shares - shares.mean(axis=0)) / (shares.std(axis=0) + 1e-6)
    # gain[i, t]: attention that token i has collected before position t.
    gain = np.concatenate([np.zeros((tokens, 1)), np.cumsum(seen, axis=1)], axis=1)
    # best[t]: the most that the tokens before i can collect if i begins at t; started[i, t]: the same less gain[i, t].
    best = np.full(positions + 1, -np.inf)
    best[0] = 0.0
    started = np.empty((tokens, positions + 1))
    for token in range(tokens):
        started[token] = best - gain[token]
        best = np.maximum.accumulate(started[token]) + gain[token]
    starts = np.zeros(tokens, np.int64)
    end = positions
    for token in range(tokens - 1, -1, -1):
        # The latest of equal starts: a token takes no position that fits an earlier token equally well.
        candidates = started[token, : end + 1]
        end = starts[token] = end - int(candidates[::-1].argmax())
    rising: NDArray[np.int64] = np.minimum(starts, positions - 1)
    return rising
