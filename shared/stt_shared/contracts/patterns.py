"""Patterns of text: the regular part of regular expressions, matched without backtracking. Pure.

A match takes time in proportion to the text, whatever the pattern, and after each character it is known whether more
text may still complete a match. Upper and lower case are equal, and so are the digits and dashes of all scripts.

Characters stand for themselves; ``.`` is any. ``\\d`` is a digit, ``\\w`` a letter, digit or ``_``, ``\\s`` white
space; ``[a-f_]`` and ``[^a-f]`` are sets; ``(a|b)`` are alternatives; ``?``, ``*``, ``+``, ``{2}``, ``{2,}`` and
``{2,5}`` repeat. There are no anchors, back references or assertions.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

MAX_STATES = 400
"""Most states of the automaton of a client's pattern: repetitions count as often as they may repeat."""
_MAX_REMEMBERED = 2000
_REPEAT = re.compile(r"\{(\d{1,3})(,(\d{0,3}))?\}")
_SPECIAL = frozenset("()[]{}|*+?")

State = frozenset[int]
"""Places in the pattern that the text so far may have reached; empty: it cannot be, or become, a match."""
_Test = Callable[[str], bool]


class PatternError(ValueError):
    """The pattern is not of this language; the message says why."""


def folded(text: str) -> str:
    """Return the text as patterns see it: of the same length, in lower case, with ASCII digits, dashes and spaces."""
    return text.lower() if text.isascii() else "".join(map(_folded, text))


@functools.lru_cache(4096)
def _folded(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    if char.isspace():
        return " "
    if unicodedata.category(char) == "Pd":
        return "-"
    plain = unicodedata.normalize("NFKC", char).lower()
    return plain if len(plain) == 1 else char


class Pattern:
    """A compiled pattern; ``size``: states of its automaton, at most ``max_states``. Raises PatternError."""

    def __init__(self, source: str, max_states: int = MAX_STATES) -> None:
        self._automaton = _Automaton(max_states)
        self._end = _Parser(source, self._automaton).end
        self.start = self._automaton.closure([0])
        self.size = len(self._automaton.steps)
        self._next: dict[tuple[State, str], State] = {}
        if self.accepts(self.start):
            raise PatternError("may match nothing at all")

    def step(self, state: State, char: str) -> State:
        """Return the state after one more character, which is ``folded``."""
        key = (state, char)
        found = self._next.get(key)
        if found is None:
            if len(self._next) >= _MAX_REMEMBERED:
                self._next.clear()
            found = self._next[key] = self._automaton.after(state, char)
        return found

    def accepts(self, state: State) -> bool:
        """Whether the text so far is a match."""
        return self._end in state


@dataclass
class _Automaton:
    """Non-deterministic automaton: per state a test that leads to another state, and states reached without a test."""

    max_states: int
    steps: list[tuple[_Test, int] | None] = field(default_factory=lambda: [None])
    free: list[list[int]] = field(default_factory=lambda: [[]])

    def add(self) -> int:
        if len(self.steps) >= self.max_states:
            raise PatternError("repeats too much")
        self.steps.append(None)
        self.free.append([])
        return len(self.steps) - 1

    def closure(self, states: Iterable[int]) -> State:
        found, waiting = set[int](), list(states)
        while waiting:
            state = waiting.pop()
            if state not in found:
                found.add(state)
                waiting += self.free[state]
        return frozenset(found)

    def after(self, state: State, char: str) -> State:
        steps = (self.steps[place] for place in state)
        return self.closure(step[1] for step in steps if step is not None and step[0](char))


class _Parser:
    """Reads a pattern into an automaton. ``end``: the state in which the whole pattern has matched."""

    def __init__(self, source: str, automaton: _Automaton) -> None:
        self._text, self._at, self._depth = source, 0, 0
        self._automaton = automaton
        self.end = self._alternatives(0)
        if self._at < len(source):
            raise PatternError(f"has a {source[self._at]} too many")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._peek()
        if not char:
            raise PatternError("ends too early")
        self._at += 1
        return char

    def _alternatives(self, begin: int) -> int:
        end = self._automaton.add()
        while True:
            last = begin
            while self._peek() not in ("", "|", ")"):
                last = self._repeated(last)
            self._automaton.free[last].append(end)
            if self._peek() != "|":
                return end
            self._at += 1

    def _repeated(self, begin: int) -> int:
        at = self._at
        # A state of its own, so that repetitions do not lead back into what comes before.
        first = self._automaton.add()
        self._automaton.free[begin].append(first)
        last = self._one(first)
        after = self._at
        least, most = self._times()
        rest = self._at
        if (least, most) == (1, 1):
            return last
        end = self._automaton.add()
        if least == 0:
            self._automaton.free[first].append(end)
        for number in range(2, (most or max(least, 1)) + 1):
            if number > least:
                self._automaton.free[last].append(end)
            self._at = at
            first, last = last, self._one(last)
            assert self._at == after
        if most is None:
            self._automaton.free[last].append(first)
        if most != 0:
            self._automaton.free[last].append(end)
        self._at = rest
        return end

    def _times(self) -> tuple[int, int | None]:
        char = self._peek()
        if char in ("?", "*", "+") and char:
            self._at += 1
            times: tuple[int, int | None] = {"?": (0, 1), "*": (0, None), "+": (1, None)}[char]
        elif char == "{":
            found = _REPEAT.match(self._text, self._at)
            if found is None:
                raise PatternError(r"has a { without numbers as in {2,5}; a plain one is written \{")
            self._at = found.end()
            least = int(found[1])
            times = (least, least if found[2] is None else int(found[3]) if found[3] else None)
        else:
            return 1, 1
        if times[1] == 0 or (times[1] is not None and times[1] < times[0]):
            raise PatternError("repeats at most less often than at least, or never")
        if self._peek() in ("?", "*", "+", "{") and self._peek():
            raise PatternError("repeats a repetition; put parentheses around it")
        return times

    def _one(self, begin: int) -> int:
        char = self._take()
        if char == "(":
            return self._group(begin)
        test = self._test(char)
        end = self._automaton.add()
        inner = self._automaton.add()
        self._automaton.free[begin].append(inner)
        self._automaton.steps[inner] = (test, end)
        return end

    def _group(self, begin: int) -> int:
        if self._peek() == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise PatternError("has a (?; assertions and options are not allowed")
            self._at += 2
        self._depth += 1
        if self._depth > 20:
            raise PatternError("has more than 20 parentheses in each other")
        inner = self._automaton.add()
        self._automaton.free[begin].append(inner)
        end = self._alternatives(inner)
        if self._take() != ")":
            raise PatternError("has a ( without )")
        self._depth -= 1
        return end

    def _test(self, char: str) -> _Test:
        if char == ".":
            return lambda _: True
        if char == "[":
            return self._set()
        if char == "\\":
            return self._escaped()
        if char in _SPECIAL:
            raise PatternError(f"has a {char} out of place; a plain one is written \\{char}")
        if char in "^$":
            raise PatternError(f"has a {char}; anchors are not needed, and a plain one is written \\{char}")
        return _folded(char).__eq__

    def _escaped(self) -> _Test:
        char = self._take()
        if char in _CLASSES:
            return _CLASSES[char]
        if char.isalnum():
            raise PatternError(rf"has a \{char}, which is not allowed")
        return _folded(char).__eq__

    def _set(self) -> _Test:
        negated = self._peek() == "^"
        self._at += negated
        tests: list[_Test] = []
        while (char := self._take()) != "]" or not tests:
            if char == "\\":
                tests.append(self._escaped())
            elif self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("", "]"):
                self._at += 1
                last = self._take()
                if last < char:
                    raise PatternError(f"has a range {char}-{last}, which is empty")
                tests.append(functools.partial(_in_range, char, last))
            else:
                tests.append(_folded(char).__eq__)
        return lambda given: any(test(given) for test in tests) != negated


def _in_range(first: str, last: str, char: str) -> bool:
    upper = char.upper()
    return first <= char <= last or (len(upper) == 1 and first <= upper <= last)


_CLASSES: dict[str, _Test] = {
    "d": lambda char: char in "0123456789",
    "w": lambda char: char.isalnum() or char == "_",
    "s": lambda char: char == " ",
    "D": lambda char: char not in "0123456789",
    "W": lambda char: not (char.isalnum() or char == "_"),
    "S": lambda char: char != " ",
}
