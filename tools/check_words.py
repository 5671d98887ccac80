"""Refuses words that docs/glossary.md has replaced, and phrases that are no idiomatic English, in code and documents.

``python tools/check_words.py [FILE …]``; without files, it reads all that git knows here.
"""

import re
import subprocess
import sys
from pathlib import Path

PHRASES = {
    r"anew|afresh": "again, from the start",
    r"hangs? on": "depends on",
    r"told as": "reported as",
    r"at the most": "at most",
    r"in turns": "alternating, in turn",
    r"(lasts?|less|waits?|least|for|about) so long\b(?! as| that)": "this long",
    r"one behind the other": "one after the other",
    r"(comes?|came|told|begins?|begin of [a-z ]*) behind": "after",
    r"silence behind": "silence after",
    r"beside (file|pub|it|them|each|live|healthy)\w*": "besides, next to, along with",
    r"sign(s)? of life": "heartbeat",
    r"makes? a mistake": "fails",
    r"elder brother\w*": "predecessor",
    r"behind bars": "sandboxed",
    r"the one net": "last-resort handler",
}
NAMES = {
    r"unwish|wish(es|ed)?": "request, parameters, options, subscribe",
    r"handful|Handful": "ChunkBatch",
    r"HeldChunks|held_chunks": "StoredChunks",
    r"right_of_way|right of way": "preemption",
    r"[Pp]arking": "detached sessions",
    r"[Ll]ane": "pipeline",
    r"[Pp]ump": "event sender",
    r"[Ss]uspects": "crash guard",
    r"running_road|Road|road_load|the road": "pipeline",
    r"older_clients|request_heads|retry_times|read_ahead": "ws/legacy, http/protocol, retry_after, ws/protocol",
    r"job_end|early_final|voice_track|redis_retry|unheard": "job_result, speculative_final, vad_track, retry",
    r"gateway_bench|job_bench|LoudIsVoice": "gateway_harness, job_harness, fake_vad",
    r"CarriedContext|SpeechGate|VoiceModel": "TakeoverState, VadGate, VadModel",
    r"step_back|set_aside|tell_of_closing|told_to_clients": "lower_thread_priority, freeze, …",
}
ALLOWED = {
    # Keys in Redis keep their names: replicas of two versions share them while one is replaced by the other.
    r"stt:suspects",
    # What is said in a test is said.
    r"ever so many words",
    r"nobody had told her",
}
SUFFIXES = {".py", ".js", ".mjs", ".html", ".css", ".lua", ".md", ".toml", ".yml", ".yaml", ".sh", ""}
SKIPPED = {"tools/check_words.py", "tests/unit/tools/test_check_words.py"}

_ALLOWED = re.compile("|".join(ALLOWED))
_WORDS = [
    (re.compile(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])", flags), instead)
    for table, flags in ((PHRASES, re.IGNORECASE), (NAMES, 0))
    for words, instead in table.items()
]


def problems(text: str) -> list[tuple[int, str, str]]:
    """Line, word and what to write instead, for each word in ``text`` that is not used here."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        plain = _ALLOWED.sub("", line)
        found += [(number, match.group(), instead) for words, instead in _WORDS for match in words.finditer(plain)]
    return found


def files() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def main() -> None:
    failed = False
    for name in sys.argv[1:] or files():
        path = Path(name)
        if path.suffix in SUFFIXES and name not in SKIPPED and path.is_file():
            for number, word, instead in problems(path.read_text()):
                failed = True
                print(f"{name}:{number}: {word!r} is not used here; write {instead}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
