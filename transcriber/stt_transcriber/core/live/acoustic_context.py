"""Acoustic context: the last seconds before a final's audio, which the model hears again with their words given.

A final that begins right after a cut would otherwise begin in the air, often in mid-sentence
(docs/adr/0029-acoustic-context.md). Pure functions.
"""

from collections.abc import Sequence

from stt_shared.contracts.session import AcousticContext, SaidWord
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS
from stt_transcriber.core.text.agreement import PlacedWord

_MARGIN = 100 * SAMPLES_PER_MS
"""Audio before the first word: words begin softly, and their times vary."""


def extended(
    before: AcousticContext | None, words: Sequence[PlacedWord], language: str, start: int, earliest: int
) -> AcousticContext | None:
    """Return the context after a final that begins at ``start`` and has these ``words``; None: there is none.

    ``before``: the context before it, if it followed other speech. ``earliest``: position where the context may begin.
    """
    if not words:
        return None
    said = tuple(SaidWord(word.text, word.start_ms, word.end_ms, word.space_before) for word in words)
    if before is not None and before.language == language:
        start, said = before.begin_sample, before.words + said
    return shortened(AcousticContext(start, said, language), earliest)


def shortened(context: AcousticContext, earliest: int) -> AcousticContext | None:
    """Return what is left of it from the first word that lies after ``earliest`` on; None: nothing."""
    if earliest <= context.begin_sample:
        return context
    starts = [word.start_ms * SAMPLES_PER_MS for word in context.words]
    first = next((at for at, start in enumerate(starts) if start - _MARGIN >= earliest), None)
    if first is None:
        return None
    ended = context.words[first - 1].end_ms * SAMPLES_PER_MS if first else earliest
    begin = min(starts[first], max(starts[first] - _MARGIN, ended))
    return AcousticContext(begin, context.words[first:], context.language)
