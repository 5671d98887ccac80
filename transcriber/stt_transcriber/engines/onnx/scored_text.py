"""Result of a search as words with their positions; each part is computed once."""

import functools
from itertools import pairwise

import numpy as np
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from stt_transcriber.engines.fallback import Candidate, better_of, words_at_once
from stt_transcriber.engines.onnx.alignment import token_starts
from stt_transcriber.engines.onnx.search import DecodedText, Window
from stt_transcriber.engines.splitting import split_text
from stt_transcriber.engines.window import POSITIONS_PER_S
from stt_transcriber.engines.words import Piece, compression_ratio


class ScoredText:
    """Text of a window, in the language of ``tokenizer``."""

    def __init__(self, window: Window, text: DecodedText, tokenizer: Tokenizer) -> None:
        self.text = text
        self._window = window
        self._tokenizer = tokenizer

    @functools.cached_property
    def starts(self) -> NDArray[np.int64]:
        """Position in the window's own audio at which each token begins, including the end token."""
        begin = self._window.earlier_positions
        return token_starts(np.stack(self.text.attention)[:, begin : begin + self._window.audio_positions])

    @functools.cached_property
    def candidate(self) -> Candidate:
        """Measures for comparing the text with others."""
        spoken = self._tokenizer.decode(self.text.tokens).strip()
        begins = self._words[1][:-1]
        at_once = words_at_once((self.starts[begins] / POSITIONS_PER_S).tolist())
        logprob = float(np.mean(self.text.logprobs))
        return Candidate(spoken, logprob, compression_ratio(spoken), self.text.truncated, at_once)

    def better(self, other: "ScoredText") -> "ScoredText":
        """Return the better of this text and ``other``, which was not allowed to repeat itself."""
        return self if better_of(self.candidate, other.candidate) is self.candidate else other

    def pieces(self) -> list[Piece]:
        """Return the words of the text."""
        texts, begins = self._words
        starts_s = self.starts / POSITIONS_PER_S
        chances = np.exp(self.text.logprobs)
        return [
            Piece(
                text, int(end - begin), float(starts_s[begin]), float(starts_s[end]), float(chances[begin:end].mean())
            )
            for text, (begin, end) in zip(texts, pairwise(begins), strict=True)
        ]

    @functools.cached_property
    def _words(self) -> tuple[list[str], NDArray[np.int64]]:
        """Words, and the index of the token at which each begins; the end of the text is one more."""
        texts, counts = split_text(self.text.tokens, self._tokenizer, self._tokenizer.language_code)
        return texts, np.cumsum([0, *counts])
