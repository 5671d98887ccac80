"""Pieces of texts whose tokens are those of Whisper's tokenizer, also of texts that it cannot split itself."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stt_transcriber.core.text.join import join_words
from stt_transcriber.engines.splitting import split_text
from stt_transcriber.engines.words import Piece, timed_words

pytestmark = pytest.mark.unit

# `tokens`: the bytes of each; `pieces`, `counts`: as Whisper splits them.
TEXTS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data" / "token_texts.json").read_text())


class Vocabulary:
    """Tokens as numbers, decoded as Whisper's tokenizers decode them."""

    def __init__(self, text: dict[str, Any]) -> None:
        self.parts = [bytes.fromhex(part) for part in text["tokens"].split()]
        self.tokens = list(range(len(self.parts)))

    def decode(self, tokens: Sequence[int]) -> str:
        return b"".join(self.parts[token] for token in tokens).decode(errors="replace")


def joined(pieces: list[str], counts: list[int]) -> str:
    timed = [
        Piece(text, count, at * 0.2, at * 0.2 + 0.2, 0.9)
        for at, (text, count) in enumerate(zip(pieces, counts, strict=True))
    ]
    return join_words(timed_words(timed, 99.0))


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text["text"][:12])
class TestSplitText:
    def test_whole_texts_are_split_as_whisper_splits_them(self, text: dict[str, Any]) -> None:
        vocabulary = Vocabulary(text)
        found = split_text(vocabulary.tokens, vocabulary, text["language"])
        assert found == (text["pieces"], text["counts"])
        assert joined(*found) == text["text"].strip()

    def test_nothing_is_lost_where_a_text_is_cut_or_lacks_a_token(self, text: dict[str, Any]) -> None:
        vocabulary = Vocabulary(text)
        tokens = vocabulary.tokens
        odd = [tokens[:at] for at in tokens[1:]] + [tokens[:at] + tokens[at + 1 :] for at in tokens]
        for some in odd:
            pieces, counts = split_text(some, vocabulary, text["language"])
            whole = vocabulary.decode(some)
            assert "".join(pieces) == whole
            assert sum(counts) == len(some)
            assert min(counts) > 0
            assert joined(pieces, counts).split() == whole.split()


def test_no_text_has_no_pieces() -> None:
    assert split_text([], Vocabulary(TEXTS[0]), "zh") == ([], [])
