"""Git hook ``commit-msg``: one topic, in an imperative subject of at most 72 characters."""

import re
import sys
from pathlib import Path

lines = Path(sys.argv[1]).read_text().splitlines() or [""]
if not re.fullmatch(r"[A-Z][^\n]{0,70}[^.\s]", lines[0]) or re.match(r"\w+(ed|ing|s) ", lines[0]):
    sys.exit(f"error: the subject must be imperative, of at most 72 characters, without a full stop: {lines[0]!r}")
if any(lines[1:2]):
    sys.exit("error: an empty line separates the subject from the body")
