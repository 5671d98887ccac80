"""Deltas of an item's text: they are never taken back, and together with the finals they tell everything."""

import pytest

from stt_gateway.core.openai.realtime.transcript import Transcript, untold

pytestmark = pytest.mark.unit


def test_the_deltas_are_the_text_as_it_becomes_stable() -> None:
    transcript = Transcript()
    deltas = [transcript.grow(stable) for stable in ("", "Ever", "Ever", "Ever tried.")]
    deltas.append(transcript.end("Ever tried. Ever failed.", [], "en"))
    assert deltas == ["", "Ever", "", " tried.", " Ever failed."]
    assert (transcript.text, transcript.languages) == ("Ever tried. Ever failed.", ["en"])


def test_the_next_utterance_of_an_item_is_joined_as_finals_are() -> None:
    english, japanese = Transcript(), Transcript()
    told = [
        english.grow("No"),
        english.end("No matter.", [], "en"),
        english.grow("Try"),
        english.end("Try again.", [], "en"),
    ]
    assert "".join(told) == english.text == "No matter. Try again."
    told = [japanese.end("はい。", [], "ja"), japanese.grow("次"), japanese.end("次へ。", [], "ja")]
    assert "".join(told) == japanese.text == "はい。次へ。"


def test_what_another_transcriber_settles_again_takes_nothing_back() -> None:
    transcript = Transcript()
    assert transcript.grow("Ever tried") == "Ever tried"
    assert [transcript.grow(stable) for stable in ("Ever", "Never tried it", "Ever tried it")] == ["", "", " it"]


def test_a_retracted_utterance_leaves_what_was_told_out_of_the_text() -> None:
    transcript = Transcript()
    assert transcript.grow("Thank you") == "Thank you"
    transcript.retract()
    assert transcript.end("No matter.", [], "en") == " No matter."
    assert transcript.text == "No matter."


@pytest.mark.parametrize(
    ("told", "text", "rest"),
    [
        ("", "Ever tried.", "Ever tried."),
        ("Ever", "Ever tried.", " tried."),
        ("Ever tried,", "Ever tried. Ever failed.", " Ever failed."),
        ("Never tried ever", "Ever tried. Ever failed.", " failed."),
        ("Ever cried", "Ever tried. Ever failed.", " Ever failed."),
        ("Five times two", "5 times 2 is 10.", " is 10."),
        ("Ever tried. Ever failed.", "Ever tried.", ""),
        ("Nothing", "Else entirely here", " entirely here"),
    ],
)
def test_the_end_of_a_final_is_told_although_words_before_it_are_others(told: str, text: str, rest: str) -> None:
    assert untold(told, text) == rest
