"""Finals that end in mid-sentence, counted by the references."""

import pytest

from stt_cli.bench.cuts import mid_sentence_cuts

pytestmark = pytest.mark.unit

TWO = ["He came. Then he left the house.", "nobody saw him"]


def plain(text: str) -> str:
    return text.lower().replace(".", "").replace(",", "")


@pytest.mark.parametrize(
    ("finals", "cuts"),
    [
        (["He came. Then he left the house.", "Nobody saw him."], 0),
        (["He came.", "Then he left the house. Nobody saw him."], 0),
        (["He came. Then he left", "the house.", "Nobody saw him."], 1),
        (["He", "came. Then he", "left the house. Nobody", "saw him."], 3),
        ([], 0),
        (["He came. Then"], 0),
    ],
    ids=["by utterance", "by sentence", "one", "three", "nothing heard", "the session's own end"],
)
def test_only_ends_inside_a_sentence_count(finals: list[str], cuts: int) -> None:
    assert mid_sentence_cuts(TWO, finals, plain) == cuts


def test_wrong_words_at_an_end_do_not_count_as_a_cut() -> None:
    assert mid_sentence_cuts(TWO, ["He came. Then he left the mouse.", "Everybody saw him."], plain) == 0
    assert mid_sentence_cuts(TWO, ["He came. Then he felt", "the house.", "Nobody saw him."], plain) == 1
