"""Finals that end in mid-sentence, by the references. Pure."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from stt_cli.bench.packages import Normaliser

_SENTENCE_END = (".", "?", "!", "…", "。", "？", "！")
_CLOSING = "\"'”’»)"


def mid_sentence_cuts(references: Sequence[str], finals: Sequence[str], normalise: Normaliser) -> int:
    """Count the finals of a session that end inside a reference and not at a sentence end of its text.

    ``references``: of the utterances that were played, in order. The last final ends with the session and never counts.
    A boundary between two finals lies between the nearest words on either side that were recognised; where these
    enclose an end of a sentence or of a reference, the cut is taken to be there.
    """
    spoken = [word for reference in references for word in _spoken(reference, normalise)]
    said = [[word for token in final.split() for word in normalise(token).split()] for final in finals]
    heard = [word for words in said for word in words]
    blocks = SequenceMatcher(a=[word for word, _ in spoken], b=heard, autojunk=False).get_matching_blocks()
    pairs = [(block.a + at, block.b + at) for block in blocks for at in range(block.size)]
    count = position = 0
    for words in said[:-1]:
        position += len(words)
        before = max((at for at, at_heard in pairs if at_heard < position), default=None)
        after = min((at for at, at_heard in pairs if at_heard >= position), default=None)
        if words and before is not None and after is not None:
            count += not any(is_end for _, is_end in spoken[before:after])
    return count


def _spoken(reference: str, normalise: Normaliser) -> Iterator[tuple[str, bool]]:
    """Yield the words of a reference, and whether a sentence or the reference ends after each."""
    words: list[tuple[str, bool]] = []
    for token in reference.split():
        parts = normalise(token).split()
        words += [(part, False) for part in parts]
        if words and token.rstrip(_CLOSING).endswith(_SENTENCE_END):
            words[-1] = (words[-1][0], True)
    if words:
        words[-1] = (words[-1][0], True)
    yield from words
