"""Sanitizing of a client's file name for display. No path is ever built from it."""

import unicodedata

MAX_FILENAME_CHARS = 255


def display_filename(name: str) -> str:
    """Return the last path component without control and format characters, at most 255 characters."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(char for char in last if unicodedata.category(char)[0] != "C").strip()[:MAX_FILENAME_CHARS]
