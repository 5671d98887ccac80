"""How words become text."""

from collections.abc import Sequence

from stt_shared.contracts.session import Task

_WITHOUT_BLANKS = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages that Whisper's tokenizer cuts into characters, and that are written without blanks."""


def separator(language: str, task: Task) -> str:
    """What stands between two words of the text: a blank, or nothing. A translation is English, whatever was spoken."""
    return "" if task is Task.TRANSCRIBE and language in _WITHOUT_BLANKS else " "


def join_words(words: Sequence[str], gap: str) -> str:
    """Running text."""
    return gap.join(words)


def new_part(before: str, after: str, gap: str) -> str:
    """What ``after`` says behind the beginning that it has in common with ``before``."""
    old, new = (before.split(gap), after.split(gap)) if gap else (list(before), list(after))
    same = 0
    for left, right in zip(old, new, strict=False):
        if left != right:
            break
        same += 1
    return gap.join(new[same:])
