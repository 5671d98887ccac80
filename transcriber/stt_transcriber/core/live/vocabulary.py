"""Words of a client over the course of a session."""

import bisect

from stt_shared.contracts.session import Vocabulary, VocabularyChange


class Vocabularies:
    """Vocabularies of a session, each in force from a position on, in samples.

    An utterance has the one that is in force at its onset, ``pre_roll`` samples after its start, so it depends on the
    order of audio and changes alone. ``changes``: what ``stored`` returned, after a takeover.
    """

    def __init__(self, first: Vocabulary, pre_roll: int, changes: tuple[VocabularyChange, ...] = ()) -> None:
        self._pre_roll = pre_roll
        self._kept = [VocabularyChange(0, first), *changes]

    def change(self, position: int, vocabulary: Vocabulary) -> bool:
        """Put a vocabulary in force from ``position`` on; return False if it already was, before a takeover."""
        change = VocabularyChange(position, vocabulary)
        if change in self._kept:
            return False
        # Of several changes at one position, the last one counts.
        earlier = [kept for kept in self._kept[1:] if kept.position < position]
        self._kept = [self._kept[0], *earlier, change]
        return True

    def of_utterance(self, start: int) -> Vocabulary:
        """Return the vocabulary of an utterance that begins at ``start``."""
        return self._kept[self._index(start + self._pre_roll)].vocabulary

    def stored(self, committed: int) -> tuple[VocabularyChange, ...]:
        """Return the changes that the next owner needs, which continues at ``committed``; drop the others."""
        first = self._index(committed)
        if first > 1:
            del self._kept[1:first]
        return tuple(self._kept[1:])

    def _index(self, position: int) -> int:
        return bisect.bisect_right(self._kept, position, key=lambda change: change.position) - 1
