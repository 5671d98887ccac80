"""Vocabularies by position: which one an utterance has, and what the next owner needs."""

import pytest

from stt_shared.contracts.session import Vocabulary, VocabularyUpdate
from stt_transcriber.core.live.vocabulary import Vocabularies

pytestmark = pytest.mark.unit
QUERY = Vocabulary(("query",), {"a": "b"})


def terms(*words: str) -> VocabularyUpdate:
    return VocabularyUpdate(keyterms=words)


def test_an_utterance_has_the_vocabulary_at_its_onset() -> None:
    kept = Vocabularies(QUERY, 300)
    kept.change(1000, terms("x"))
    assert kept.of_utterance(0, 9000) == kept.of_utterance(699, 9000) == QUERY
    assert kept.of_utterance(700, 9000).keyterms == kept.of_utterance(9000, 9999).keyterms == ("x",)
    assert kept.of_utterance(700, 1000) == QUERY, "it may have been decoded before the change was read"
    assert kept.of_utterance(700, 1001).keyterms == ("x",)


def test_what_is_left_out_stays_and_what_is_empty_is_removed() -> None:
    kept = Vocabularies(QUERY, 0)
    assert kept.change(0, terms("x")) == Vocabulary(("x",), {"a": "b"})
    assert kept.change(0, VocabularyUpdate(replacements={"c": "d"})) == Vocabulary(("x",), {"c": "d"})
    assert kept.change(5, VocabularyUpdate((), {})) == Vocabulary()
    assert kept.of_utterance(4, 9) == Vocabulary(("x",), {"c": "d"})


def test_the_next_owner_has_the_same_whatever_it_reads_again() -> None:
    """It continues at 8000; frames before that come again, from any of them on."""
    changes = [
        (1000, VocabularyUpdate(replacements={"z": "z"})),
        (3000, terms("a")),
        (5000, terms("b")),
        (5000, VocabularyUpdate(replacements={})),
        (9000, terms("c")),
    ]
    first = Vocabularies(QUERY, 0)
    for position, update in changes:
        assert first.change(position, update) is not None
    expected = {at: first.of_utterance(at, at + 9) for at in (8000, 8999, 9000, 12_000)}
    stored = first.stored(8000)
    assert [change.position for change in stored] == [5000, 9000]
    for begin in range(len(changes) + 1):
        owner = Vocabularies(QUERY, 0, stored)
        assert [owner.change(*change) for change in changes[begin:]] == [None] * (len(changes) - begin)
        assert {at: owner.of_utterance(at, at + 9) for at in expected} == expected
    assert Vocabularies(QUERY, 0).stored(8000) == ()
