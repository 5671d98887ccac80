"""Words of a client over the course of a session."""

import bisect

from stt_shared.contracts.session import Fillers, Vocabulary, VocabularyChange, VocabularyUpdate
from stt_transcriber.core.text.rewriting import Rewriter, rewriter_of


class Vocabularies:
    """Vocabularies of a session, each in force from a position on, in samples.

    An utterance has the one that is in force ``settles`` samples after its start, before its first draft, or just
    before its end if that is earlier: by then, all changes before have been read, however soon it is decoded.
    ``changes``: what ``stored`` returned, after a takeover. ``fillers``: what becomes of those.
    """

    def __init__(
        self,
        first: Vocabulary,
        settles: int,
        changes: tuple[VocabularyChange, ...] = (),
        *,
        fillers: Fillers = Fillers.KEEP,
    ) -> None:
        self._settles = settles
        self._removes_fillers = fillers is Fillers.REMOVE
        self._kept = [VocabularyChange(0, first), *changes]

    def change(self, position: int, update: VocabularyUpdate) -> Vocabulary | None:
        """Change the vocabulary from ``position`` on and return it.

        None: it is so already, as for a change that was read before a takeover and is read again.
        """
        last = self._kept[-1]
        change = VocabularyChange(position, update.applied_to(last.vocabulary))
        if position < last.position or (change == last and len(self._kept) > 1):
            return None
        # Of several changes at one position, the last one counts.
        if position == last.position and len(self._kept) > 1:
            self._kept.pop()
        self._kept.append(change)
        return change.vocabulary

    def of_utterance(self, start: int, end: int) -> Vocabulary:
        """Return the vocabulary of an utterance from ``start`` to ``end``."""
        return self._kept[self._index(max(start, min(start + self._settles, end - 1)))].vocabulary

    def rewriter(self, start: int, end: int, language: str) -> Rewriter | None:
        """Return what rewrites the text of an utterance in this language; None: nothing does."""
        replacements = self.of_utterance(start, end).replacements
        return rewriter_of(replacements, removes_fillers=self._removes_fillers, language=language)

    def stored(self, committed: int) -> tuple[VocabularyChange, ...]:
        """Return the changes that the next owner needs, which continues at ``committed``; drop the others."""
        first = self._index(committed)
        if first > 1:
            del self._kept[1:first]
        return tuple(self._kept[1:])

    def _index(self, position: int) -> int:
        return bisect.bisect_right(self._kept, position, key=lambda change: change.position) - 1
