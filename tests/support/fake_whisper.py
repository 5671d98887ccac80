"""A language model in place of Whisper, for tests of the search: what it says next follows from the text so far.

It checks what the search shows it: the tokens that a new one looks at must be its own text, each at its own place.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.engines.onnx.file_model import FileWhisper
from stt_transcriber.engines.onnx.model import NOTHING, Choices, Encoding, Floats, OnnxWhisper
from stt_transcriber.engines.onnx.search import TokenRules, Window

END = 9
RULES = TokenRules(end=END, not_first=frozenset({8, END}))
"""0…7 are words; no text begins with 8."""
START = (101, 102, 103)
"""Context and task tokens are beyond the words, as they are in Whisper."""

Text = tuple[int, ...]
Says = Callable[[int, Text], Floats]
"""Window and text, start included -> probabilities float32 [10]."""


def encoding(name: int) -> Encoding:
    """The encoding of window ``name``."""
    return Encoding({}, np.full(3, name, np.float32), 3)


def window(guess: Sequence[int] = (), *, name: int = 1, start: Sequence[int] = START, limit: int = 20) -> Window:
    return Window(encoding(name), start, 1, limit, guess)


def babble(name: int, text: Text) -> Floats:
    """Any text but no long one; windows say different things, and so do starts."""
    random = np.random.default_rng(zlib.crc32(repr((name, text)).encode()))
    shares = random.dirichlet(np.full(END + 1, 0.3)).astype(np.float32) + np.float32(1e-6)
    shares[END] += np.float32(0.02 * max(0, len(text) - len(START)))
    return np.asarray(shares / shares.sum(), np.float32)


def script(lines: Mapping[Text, Mapping[int, float]], otherwise: Mapping[int, float]) -> Says:
    """Says what follows each text, its start left out; the rest of the probability goes to the tokens not named."""

    def says(_: int, text: Text) -> Floats:
        named = lines.get(text[len(START) :], otherwise)
        shares = np.full(END + 1, (1 - sum(named.values())) / (END + 1 - len(named)), np.float32)
        shares[list(named)] = list(named.values())
        return np.maximum(shares, np.float32(1e-9))

    return says


def after_each(followers: Mapping[int, Mapping[int, float]], otherwise: Mapping[int, float]) -> Says:
    """As ``script``, by the last token alone."""

    def says(name: int, text: Text) -> Floats:
        return script({text[len(START) :]: followers.get(text[-1], otherwise)}, {})(name, text)

    return says


class FakeWhisper:
    """As much of ``OnnxWhisper`` as a search uses. ``runs``: how often the decoder ran."""

    def __init__(self, says: Says = babble) -> None:
        self._says = says
        self._texts: list[tuple[int, Text]] = []
        self.runs = 0

    @property
    def as_model(self) -> OnnxWhisper:
        return cast(OnnxWhisper, self)

    @property
    def as_file_model(self) -> FileWhisper:
        return cast(FileWhisper, self)

    def batch(self, encodings: Sequence[Encoding]) -> "FakeBatch":
        return FakeBatch(self, [int(encoding.weight[0]) for encoding in encodings])

    def state_of(self, name: int, text: Text) -> float:
        self._texts.append((name, text))
        return float(len(self._texts) - 1)

    def choose(self, states: Floats, count: int, asked: NDArray[np.int64] = NOTHING) -> Choices:
        logprobs = np.log(np.stack([self._says(*self._texts[int(state)]) for state in states[:, 0]]))
        order = np.argsort(-logprobs, axis=1, kind="stable")[:, :count]
        return Choices(order, np.take_along_axis(logprobs, order, axis=1), logprobs[:, asked])

    def open(
        self, states: Floats, starts: Floats, count: int, asked: NDArray[np.int64] = NOTHING
    ) -> tuple[Choices, list[float]]:
        return self.choose(states, count, asked), [self.no_speech_prob(start) for start in starts]

    def no_speech_prob(self, state: Floats) -> float:
        name, text = self._texts[int(state[0])]
        assert text[-1] == START[1], "the state of the start-of-transcript"
        return name / 100


class FakeBatch:
    def __init__(self, model: FakeWhisper, names: list[int]) -> None:
        self._model = model
        self._names = names
        self._cache: list[list[tuple[int, int]]] = [[] for _ in names]
        self.columns = 0

    def run(
        self, tokens: NDArray[np.int64], places: NDArray[np.int64], seen: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        rows, width = tokens.shape
        assert seen.shape == (rows, width, self.columns + width)
        states = np.zeros((rows, width, 1), np.float32)
        attention = np.zeros((rows, width, 3), np.float32)
        for row, cache in enumerate(self._cache):
            cache += [(int(place), int(token)) for place, token in zip(places[row], tokens[row], strict=True)]
            for column in range(width):
                looked_at = sorted(cache[i] for i in np.flatnonzero(seen[row, column]))
                text = tuple(token for _, token in looked_at)
                # Columns of rows that are over, or shorter than others, hold anything; nobody asks for their state.
                sound = [place for place, _ in looked_at] == list(range(len(looked_at)))
                states[row, column] = self._model.state_of(self._names[row], text if sound else (-1,))
                attention[row, column] = zlib.crc32(repr((self._names[row], text)).encode()) % 1000
        self.columns += width
        self._model.runs += 1
        return states, attention

    def drop(self, row: int) -> None:
        for kept in (self._names, self._cache):
            last = kept.pop()
            if row < len(kept):
                kept[row] = last
