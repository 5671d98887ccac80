"""Parts of a final by who speaks, as OpenAI's API for transcription with speakers has them."""

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from stt_shared.contracts.events import Final
from stt_shared.contracts.text import join_texts, spaces_before


def segments(final: Final) -> Iterator[dict[str, Any]]:
    """Yield a segment for each speaker, in order; nothing where speakers are not told apart."""
    if final.speaker is UNSET:
        return
    parts = [(turn.word, turn.speaker) for turn in final.turns or ()] or [(0, final.speaker)]
    ends = [word for word, _ in parts[1:]] + [len(final.words)]
    for (first, speaker), last in zip(parts, ends, strict=True):
        words = final.words[first:last]
        if words:
            yield {
                "start": words[0].start_ms / 1000,
                "end": words[-1].end_ms / 1000,
                "text": _text(final, first, last),
                "speaker": speaker or "",
            }


def _text(final: Final, first: int, last: int) -> str:
    spoken = [word.word for word in final.words]
    spaces = spaces_before(final.text, spoken)
    if spaces is None:
        return join_texts(spoken[first:last])
    parts = [f" {word}" if spaced else word for word, spaced in zip(spoken, spaces, strict=True)]
    return "".join(parts[first:last]).strip()
