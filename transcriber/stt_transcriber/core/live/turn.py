"""Judgement of a pause: whether the speaker has finished, or how long to wait for them to go on."""

import enum
from dataclasses import dataclass

from stt_shared.contracts.text import CLAUSE_MARKS, SENTENCE_MARKS
from stt_transcriber.core.live.policy import TurnPolicy

Range = tuple[int, int]
"""Audio of an utterance up to a pause, in samples: its start, and the fixed silence after its last voice."""


_CLOSING = " \"'”’»)"
_BROKEN_OFF = ("...", "…", "-", "–", "—", *CLAUSE_MARKS)


class Evidence(enum.Enum):
    """What a decision at the present silence still lacks."""

    PROBABILITY = enum.auto()
    TEXT = enum.auto()


class Ending(enum.Enum):
    """How a text ends: with a sentence, in the middle of one, or without a mark that tells."""

    SENTENCE = enum.auto()
    MIDDLE = enum.auto()
    UNMARKED = enum.auto()


@dataclass(frozen=True)
class Pause:
    """What is known of a pause. ``probability`` and ``ending``: None if the model failed, or there is none.

    ``is_judged`` and ``has_text``: whether the turn model and the speech model were asked.
    """

    is_judged: bool = False
    probability: float | None = None
    has_text: bool = False
    ending: Ending | None = None


class TurnVerdicts:
    """At most one verdict of the turn model: about which audio, and the probability that the speaker has finished."""

    def __init__(self) -> None:
        self._range: Range = (-1, -1)
        self._probability: float | None = None

    def keep(self, judged: Range, probability: float | None) -> None:
        """Keep a verdict; None: the model failed on this audio."""
        self._range, self._probability = judged, probability

    def is_known(self, judged: Range) -> bool:
        """Check whether the model was asked about exactly this audio."""
        return self._range == judged

    def probability(self, judged: Range) -> float | None:
        """Return the probability that the speaker has finished; None if it is not known."""
        return self._probability if self._range == judged else None


@dataclass(frozen=True)
class Silences:
    """Silences in milliseconds after which an utterance may end.

    ``shortest_ms``: if it is surely over; ``base_ms``: if it sounds finished; ``longest_ms``: in any case.
    """

    shortest_ms: int
    base_ms: int
    longest_ms: int


def patience_ms(probability: float | None, silences: Silences, policy: TurnPolicy) -> float:
    """Return the silence that ends an utterance by this probability: the lower it is, the longer."""
    if probability is None:
        return silences.base_ms
    doubt = (policy.finished_above - probability) / (policy.finished_above - policy.unfinished_below)
    return silences.base_ms + min(max(doubt, 0.0), 1.0) * (silences.longest_ms - silences.base_ms)


def is_over(pause: Pause, silence_ms: int, silences: Silences, policy: TurnPolicy, *, is_long: bool) -> bool | Evidence:
    """Decide whether a pause ends the utterance, or say what must be known first.

    ``is_long``: the utterance is long enough to end before the base silence.
    """
    is_early = silence_ms < silences.base_ms
    if is_early and not (is_long and policy.has_model and silence_ms >= silences.shortest_ms):
        return False
    if policy.has_model and not pause.is_judged:
        return Evidence.PROBABILITY
    if is_early:
        if pause.probability is None or pause.probability < policy.surely_over:
            return False
    elif silence_ms < patience_ms(pause.probability, silences, policy):
        return False
    if not policy.reads_text:
        return True
    if not pause.has_text:
        return Evidence.TEXT
    return pause.ending is Ending.SENTENCE if is_early else pause.ending is not Ending.MIDDLE


def ending_of(text: str) -> Ending:
    """Return how a text ends, by its last mark; an ellipsis is a sentence broken off."""
    bare = text.rstrip(_CLOSING)
    if bare.endswith(_BROKEN_OFF):
        return Ending.MIDDLE
    return Ending.SENTENCE if bare.endswith(tuple(SENTENCE_MARKS)) else Ending.UNMARKED
