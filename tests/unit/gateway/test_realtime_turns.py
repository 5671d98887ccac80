"""Which audio becomes which item of OpenAI's Realtime API, and when its text is complete."""

from collections.abc import Iterable
from typing import Any

import pytest

from stt_gateway.core.openai.realtime.events import EventBuilder
from stt_gateway.core.openai.realtime.turns import TurnOptions, Turns
from stt_shared.contracts.events import Final, SpeakerTurn, Word

pytestmark = pytest.mark.unit

SHORT = {
    "input_audio_buffer.": "",
    "conversation.item.input_audio_transcription.": "",
    "conversation.item.": "item ",
}


def turns(**options: Any) -> Turns:
    return Turns(EventBuilder("x"), TurnOptions(**options))


def final(text: str, start_ms: int, committed_ms: int, **more: Any) -> Final:
    words = [Word(word, start_ms, committed_ms, 0.5) for word in text.split()]
    return Final(
        session_id="s", text=text, confidence=0.5, timestamp="", utterance=1, start_ms=start_ms,
        end_ms=committed_ms, language="en", words=words, committed_ms=committed_ms, **more,
    )  # fmt: skip


def told(events: Iterable[dict[str, Any]]) -> list[str]:
    """What each event is, about which item, and its text."""
    lines = []
    for event in events:
        kind = event["type"]
        for long, short in SHORT.items():
            kind = kind.replace(long, short)
        item = event.get("item_id") or event.get("item", {}).get("id", "")
        text = event.get("delta", event.get("transcript"))
        lines.append(" ".join([kind, item.removeprefix("item_x"), *([repr(text)] if text is not None else [])]).strip())
    return lines


COMMITTED = ["committed {}", "item added {}", "item done {}"]


def committed(item: int) -> list[str]:
    return [line.format(item) for line in COMMITTED]


def test_a_stretch_of_speech_is_an_item() -> None:
    one = turns()
    started = one.speech_started(1000)
    assert told(started) == ["speech_started 1"]
    assert started[0]["audio_start_ms"] == 700
    assert told(one.partial(980, "Ever")) == ["delta 1 'Ever'"]
    ended = one.speech_ended(2000)
    assert told(ended) == ["speech_stopped 1", *committed(1)]
    assert (ended[0]["audio_end_ms"], ended[1]["previous_item_id"]) == (2000, None)
    done = one.final(final("Ever tried.", 1010, 2100))
    assert told(done) == ["delta 1 ' tried.'", "completed 1 'Ever tried.'"]
    assert done[-1]["usage"] == {"type": "duration", "seconds": 1.3}
    assert done[-1]["languages"] == [{"code": "en"}]
    assert "logprobs" not in done[-1]
    assert one.speech_started(3000)
    assert one.speech_ended(4000)[1]["previous_item_id"] == "item_x1"


def test_long_speech_is_one_item_of_several_finals() -> None:
    one = turns(has_logprobs=True)
    one.speech_started(0)
    assert told(one.final(final("Ever tried.", 0, 28000))) == ["delta 1 'Ever tried.'"]
    one.speech_ended(30000)
    (delta, done) = one.final(final("No matter.", 28100, 30200))
    assert (delta["delta"], done["transcript"]) == (" No matter.", "Ever tried. No matter.")
    assert "".join(one["token"] for one in done["logprobs"]) == "Ever tried. No matter."


def test_the_rest_of_long_speech_may_have_been_settled_before_it_ended() -> None:
    one = turns()
    one.speech_started(0)
    one.final(final("Ever tried.", 0, 28000))
    assert told(one.speech_ended(27900)) == ["speech_stopped 1", *committed(1), "completed 1 'Ever tried.'"]


def test_a_noise_is_an_item_without_text_which_does_not_take_the_next_ones() -> None:
    for settle in ("final", "settled", "partial", "retracted"):
        one = turns()
        one.speech_started(1000)
        one.speech_ended(1500)
        match settle:
            case "final":
                one.speech_started(3000)
                assert told(one.final(final("Ever.", 3000, 4000))) == ["completed 1 ''", "delta 2 'Ever.'"]
            case "settled":
                assert told(one.settled(1499)) == []
                assert told(one.settled(1500)) == ["completed 1 ''"]
            case "partial":
                one.speech_started(3000)
                assert told(one.partial(2900, "Ever")) == ["completed 1 ''", "delta 2 'Ever'"]
            case "retracted":
                assert told(one.retracted(700, 1600)) == ["completed 1 ''"]


def test_a_turn_without_detection_ends_where_the_client_commits_whatever_the_pauses() -> None:
    one = turns(detects=False)
    assert one.speech_started(100) == []
    assert told(one.partial(0, "Ever")) == ["delta 1 'Ever'"]
    assert one.speech_ended(900) == []
    assert told(one.final(final("Ever tried.", 100, 1000))) == ["delta 1 ' tried.'"]
    one.speech_started(1500)
    assert told(one.commit(2000)) == committed(1)
    assert told(one.commit(2600)) == committed(2)
    one.speech_ended(1990)
    assert told(one.marked(2000)) == []
    assert told(one.final(final("No matter.", 1500, 2000))) == [
        "delta 1 ' No matter.'",
        "completed 1 'Ever tried. No matter.'",
    ]
    assert told(one.marked(2600)) == ["completed 2 ''"]
    assert told(one.final(final("Try again.", 2700, 3000))) == ["delta 3 'Try again.'"]


def test_a_mark_that_is_answered_again_after_a_takeover_completes_nothing_else() -> None:
    one = turns(detects=False)
    one.commit(1000)
    assert told(one.marked(1000)) == ["completed 1 ''"]
    one.commit(2000)
    assert one.marked(1000) == []
    assert told(one.marked(1996)) == ["completed 2 ''"]


def test_a_commit_during_detection_ends_the_speech_and_is_always_answered() -> None:
    one = turns()
    one.speech_started(1000)
    assert one.commit(2000) == []
    assert told(one.speech_ended(1990)) == ["speech_stopped 1", *committed(1)]
    assert one.marked(2000) == []
    assert told(one.final(final("Ever.", 1000, 2000))) == ["delta 1 'Ever.'", "completed 1 'Ever.'"]
    one.commit(2600)
    silent = one.marked(2600)
    assert told(silent) == [*committed(2), "completed 2 ''"]
    assert silent[-1]["usage"]["seconds"] == 0.6


def test_a_commit_after_audio_that_came_at_once_is_answered_after_all_of_it() -> None:
    for silence_ms, answered in ((400, []), (1000, [*committed(2), "completed 2 ''"])):
        one = turns()
        one.commit(4000 + silence_ms)
        one.speech_started(1000)
        one.speech_ended(4000)
        one.final(final("Ever.", 1000, 4100))
        assert told(one.marked(4000 + silence_ms)) == answered


def test_what_is_cleared_is_in_no_item() -> None:
    for detects in (True, False):
        one = turns(detects=detects)
        one.speech_started(1000)
        assert told(one.partial(900, "Ever")) == ["delta 1 'Ever'"]
        one.clear(2000)
        assert one.speech_started(1900) == []
        assert one.partial(900, "Ever tried") == []
        assert one.speech_ended(1990) == []
        assert one.marked(2000) == []
        # Its final comes when later speech has begun.
        begun = one.speech_started(2500)
        assert told(begun) == (["speech_started 2"] if detects else [])
        assert told(one.final(final("No matter.", 2500, 3000)))[-1] == "delta 2 'No matter.'"


def test_a_final_of_what_was_cleared_may_come_late() -> None:
    one = turns(detects=False)
    one.speech_started(100)
    one.commit(500)
    one.clear(700)
    one.commit(900)
    one.speech_ended(490)
    one.marked(500)
    one.speech_started(520)
    one.speech_ended(690)
    one.marked(700)
    one.speech_started(720)
    one.speech_ended(890)
    one.marked(900)
    assert told(one.final(final("Ever.", 100, 500)))[-1] == "completed 1 'Ever.'"
    assert told(one.final(final("Gone.", 520, 700))) == []
    assert told(one.final(final("Tried.", 720, 900)))[-1] == "completed 2 'Tried.'"


def test_a_clear_leaves_what_was_committed() -> None:
    one = turns()
    one.speech_started(1000)
    one.speech_ended(2000)
    one.clear(2500)
    assert told(one.final(final("Ever.", 1000, 2100))) == ["delta 1 'Ever.'", "completed 1 'Ever.'"]
    assert one.final(final("Gone.", 2200, 2500)) == []


def test_what_a_new_transcriber_tells_again_begins_no_item() -> None:
    one = turns()
    one.speech_started(1000)
    assert one.speech_started(1000) == []
    one.speech_ended(2000)
    assert one.speech_started(1000) == []
    assert one.speech_ended(2000) == []
    assert told(one.final(final("Ever.", 1000, 2100))) == ["delta 1 'Ever.'", "completed 1 'Ever.'"]


def test_the_end_of_the_session_completes_everything() -> None:
    one = turns(detects=False)
    one.final(final("Ever.", 0, 900))
    one.commit(1000)
    one.final(final("Tried.", 950, 1000))
    assert told(one.end()) == ["completed 1 'Ever. Tried.'"]
    two = turns(detects=False)
    two.final(final("Ever.", 0, 900))
    assert told(two.end()) == [*committed(1), "completed 1 'Ever.'"]
    three = turns()
    three.speech_started(0)
    assert three.end() == []


def test_speakers_are_told_in_segments() -> None:
    one = turns()
    one.speech_started(0)
    parts = [SpeakerTurn(0, "Speaker 1"), SpeakerTurn(2, None)]
    sent = one.final(final("No matter. Try again.", 0, 1500, speaker="Speaker 1", turns=parts))
    found = [event for event in sent if event["type"].endswith(".segment")]
    assert [(event["id"], event["text"], event["speaker"]) for event in found] == [
        ("seg_1", "No matter.", "Speaker 1"),
        ("seg_2", "Try again.", ""),
    ]
    assert found[0]["end"] == 1.5
