"""Replacements and fillers: what is found, what is written, and what of it is stable."""

import pytest

from stt_transcriber.core.text.agreement import PlacedWord
from stt_transcriber.core.text.fillers import FILLERS
from stt_transcriber.core.text.join import join_words
from stt_transcriber.core.text.rewriting import Rewriter, rewriter_of

pytestmark = pytest.mark.unit


def placed(text: str) -> list[PlacedWord]:
    return [PlacedWord(word, 100 * i, 100 * i + 100, 0.5) for i, word in enumerate(text.split())]


def rewritten(text: str, replacements: dict[str, str], fillers: tuple[str, ...] = ()) -> str:
    return join_words(Rewriter(replacements, fillers).rewrite(placed(text))[0])


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("I use cooper netties.", "I use Kubernetes."),
        ("Cooper Netties, again", "Kubernetes, again"),
        ('"Cooper netties" (cooper netties)', '"Kubernetes" (Kubernetes)'),
        ("COOPER NETTIES", "Kubernetes"),
        ("cooper netties cooper netties", "Kubernetes Kubernetes"),
        ("coopernetties", "coopernetties"),
        ("cooper nettiest", "cooper nettiest"),
        ("mini cooper", "mini cooper"),
        ("I met cooper. Netties came", "I met cooper. Netties came"),
        ("by the way", "BTW"),
        ("by the wayside", "by the wayside"),
        ("gmbh", "GmbH"),
        ("C++ and c", "Cpp and c"),
        ("straße STRASSE", "Str. Str."),
        ("next page", "next Cooper netties"),
    ],
)
def test_whole_words_in_any_case(said: str, written: str) -> None:
    rules = {"cooper netties": "Kubernetes", "by the way": "BTW", "gmbh": "GmbH", "c++": "Cpp", "Straße": "Str."}
    assert rewritten(said, rules | {"page": "Cooper netties"}) == written


def test_the_longest_phrase_wins() -> None:
    rules = {"new": "old", "new york": "NY", "new york times": "NYT"}
    assert rewritten("new york times new york new times", rules) == "NYT NY old times"


def test_a_spoken_mark_replaces_the_marks_that_were_guessed() -> None:
    rules = {"full stop": ".", "comma": ","}
    assert rewritten("Dear Ann comma, thank you full stop.", rules) == "Dear Ann, thank you."


def test_chinese_is_found_without_spaces() -> None:
    words = [PlacedWord(word, 0, 10, 0.5, space_before=False) for word in ("我", "在东", "京。", "东", "方")]
    found, _ = Rewriter({"东京": "Tokyo", "在东京": "Edo"}).rewrite(words)
    assert join_words(found) == "我Edo。东方"


def test_words_keep_their_times_and_a_phrase_has_those_of_what_it_replaces() -> None:
    found, _ = Rewriter({"s f": "San Francisco"}).rewrite(placed("in s f now"))
    assert [(word.text, word.start_ms, word.end_ms) for word in found] == [
        ("in", 0, 100),
        ("San", 100, 150),
        ("Francisco", 150, 300),
        ("now", 300, 400),
    ]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Um, I think so.", "I think so."),
        ("I, um, think so.", "I think so."),
        ("I think, um.", "I think."),
        ("I think um. Uh, you too?", "I think. You too?"),
        ("Um, uh, well.", "Well."),
        ("the um house", "the house"),
        ("Is it, uh?", "Is it?"),
        ("umbrella Drum", "umbrella Drum"),
        ("Um. Uh.", ""),
        ("we, uh- we go", "we, we go"),
        ('Um, "yes"', '"Yes"'),
    ],
)
def test_fillers_leave_a_sound_sentence(said: str, written: str) -> None:
    assert rewritten(said, {}, FILLERS["en"]) == written


def test_fillers_are_those_of_the_language() -> None:
    def without(text: str, language: str) -> str:
        rewriter = rewriter_of({}, removes_fillers=True, language=language)
        return join_words(rewriter.rewrite(placed(text))[0]) if rewriter else text

    assert without("Äh, um drei Uhr", "de") == "Um drei Uhr"
    assert without("um, at three", "en") == "at three"
    assert without("Euh, oui", "fr") == "Oui"
    assert without("um 5 mm, the ER", "en") == "5 mm, the ER"
    assert without("えーと um", "ja") == "えーと um"
    assert rewriter_of({}, removes_fillers=False, language="en") is None


def test_a_replacement_of_a_filler_is_made() -> None:
    assert rewritten("uh yes", {"uh": "Uh-huh"}, FILLERS["en"]) == "Uh-huh yes"


TEXTS = (
    "I think um. Uh, you too? Yes",
    "we met new york times reporters, um, in new york. New",
    "new york new york new york times times",
    "um, um, um new, uh. york Times uh",
)
RULES = {"new york times": "the Times", "new york": "NY", "um new": "x y", "reporters": ""}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("fillers", [(), FILLERS["en"]])
def test_what_is_stable_never_changes(text: str, fillers: tuple[str, ...]) -> None:
    """Words arrive one by one, the last ones unstable and different each time."""
    rewriter = Rewriter(RULES, fillers)
    whole, _ = rewriter.rewrite(placed(text))
    before: list[PlacedWord] = []
    words = placed(text)
    for stable in range(len(words) + 1):
        for guess in ("", "york", "um,", "uh.", "york times", "else"):
            unstable = [PlacedWord(word, 9000, 9100, 0.1) for word in guess.split()]
            shown, settled = rewriter.rewrite([*words[:stable], *unstable], stable)
            assert shown[: len(before)] == before
            assert shown[:settled] == whole[:settled]
        _, settled = rewriter.rewrite(words[:stable], stable)
        before = whole[:settled]
    assert len(before) >= len(whole) - 3


def test_only_what_may_change_is_held_back() -> None:
    rewriter = Rewriter({"new york": "NY"})
    assert rewriter.rewrite(placed("a new day"), 2)[1] == 1
    assert rewriter.rewrite(placed("a new day"), 3)[1] == 3
    assert rewriter.rewrite(placed("a newer day"), 2)[1] == 2
