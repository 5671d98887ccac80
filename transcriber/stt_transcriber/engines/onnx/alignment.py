"""When each token was said, from where the decoder looked when it chose it. Pure."""

import numpy as np
from numpy.typing import NDArray


def token_starts(attention: NDArray[np.float32]) -> NDArray[np.int64]:
    """float32 [tokens, positions] -> int64 [tokens]: the first position of each, rising.

    Gives every position to one token, in order, so that the attention on the way is the most there can be: dynamic
    time warping without steps that skip a position, as in Whisper's own word times. Each token's attention is seen
    against the others' at the same position, as a share of what it has at these positions: the last mark and the end
    look mostly at the silence behind the window, and would leave the pause before it to the last word.
    """
    tokens, positions = attention.shape
    if tokens == 0 or positions == 0:
        return np.zeros(tokens, np.int64)
    shares = attention / (attention.sum(axis=1, keepdims=True) + 1e-9)
    seen = (shares - shares.mean(axis=0)) / (shares.std(axis=0) + 1e-6)
    # gain[i, t]: what token i has collected before position t.
    gain = np.concatenate([np.zeros((tokens, 1)), np.cumsum(seen, axis=1)], axis=1)
    # best[t]: the most that the tokens before i have collected when i begins at t, less gain[i, t].
    best = np.full(positions + 1, -np.inf)
    best[0] = 0.0
    begun = np.empty((tokens, positions + 1))
    for token in range(tokens):
        begun[token] = best - gain[token]
        best = np.maximum.accumulate(begun[token]) + gain[token]
    starts = np.zeros(tokens, np.int64)
    end = positions
    for token in range(tokens - 1, -1, -1):
        # The latest of equals: a token takes no position that others hold as well.
        candidates = begun[token, : end + 1]
        end = starts[token] = end - int(candidates[::-1].argmax())
    rising: NDArray[np.int64] = np.minimum(starts, positions - 1)
    return rising
