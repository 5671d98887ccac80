"""Captions on a terminal and off it."""

import io

import pytest
from rich.console import Console

from stt_cli.live.captions import Captions, caption, lines_of

pytestmark = pytest.mark.unit


def test_settled_words_are_solid_and_the_rest_is_dim() -> None:
    text = caption({"text": "ever tried ever fail", "stable": "ever tried", "unstable": "ever fail"})
    assert text.plain == "ever tried ever fail"
    assert [(span.start, str(span.style)) for span in text.spans] == [(10, "dim")]


def test_no_space_is_put_where_the_text_has_none() -> None:
    assert caption({"text": "我们用machine", "stable": "我们", "unstable": "用machine"}).plain == "我们用machine"
    assert caption({"text": "", "stable": "", "unstable": ""}).plain == ""


def test_off_a_terminal_only_finals_are_printed_a_line_each() -> None:
    out = io.StringIO()
    with Captions(Console(file=out, width=20)) as captions:
        captions.show({"type": "partial", "text": "no", "stable": "no", "unstable": ""})
        captions.show({"type": "final", "text": " No matter [bold]. Try again and again."})
    assert out.getvalue() == "No matter [bold]. Try again and again.\n"


def test_channels_that_are_kept_apart_are_named_and_shown_side_by_side() -> None:
    out = io.StringIO()
    with Captions(Console(file=out, width=80, force_terminal=True, color_system=None)) as captions:
        captions.show({"type": "partial", "text": "how are", "stable": "how", "unstable": "are", "channel": 1})
        captions.show({"type": "partial", "text": "well", "stable": "", "unstable": "well", "channel": 0})
        assert captions._current().plain == "Channel 0: well\nChannel 1: how are"
        captions.show({"type": "final", "text": "Well.", "channel": 0})
        assert captions._current().plain == "Channel 1: how are"
        captions.show({"type": "partial", "text": "", "stable": "", "unstable": "", "channel": 1})
        assert captions._current().plain == ""
    assert "Channel 0: Well." in out.getvalue()


def test_each_turn_is_a_line_with_its_speaker_where_speakers_are_told_apart() -> None:
    words = [{"word": word} for word in ("No", "matter.", "Try", "again.")]
    final = {"type": "final", "text": "No matter. Try again.", "words": words}
    assert lines_of(final) == ["No matter. Try again."]
    assert lines_of({**final, "speaker": "Speaker 1"}) == ["Speaker 1: No matter. Try again."]
    assert lines_of({**final, "speaker": None}) == ["No matter. Try again."]
    turns = [{"word": 0, "speaker": "Speaker 2"}, {"word": 2, "speaker": "Speaker 1"}]
    assert lines_of({**final, "speaker": "Speaker 1", "turns": turns}) == [
        "Speaker 2: No matter.",
        "Speaker 1: Try again.",
    ]
    together = {"type": "final", "text": "我们走", "words": [{"word": "我们"}, {"word": "走"}], "speaker": "Speaker 1"}
    assert lines_of(together) == ["Speaker 1: 我们走"]
