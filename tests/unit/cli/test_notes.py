"""Lines about what a live session's text does not cover."""

import pytest

from stt_cli.live.notes import note_of

pytestmark = pytest.mark.unit


def test_gaps_and_warnings_are_told() -> None:
    gap = {"type": "gap", "from_ms": 4128, "to_ms": 6272}
    assert note_of({**gap, "cause": "speech_not_recognized"}) == "gap: speech from 4.1 to 6.3 s was not recognized"
    apart = {**gap, "cause": "speech_not_recognized", "channel": 1}
    assert note_of(apart) == "gap: speech from 4.1 to 6.3 s on channel 1 was not recognized"
    assert note_of({**gap, "cause": "chunks 3 to 4 never came"}) == "gap: chunks 3 to 4 never came"
    assert note_of({"type": "warning", "code": "half_sample", "message": "cut off"}) == "warning: cut off"
    revised = {"type": "speakers_revised", "utterances": [{"utterance": 3, "speaker": "Speaker 2"}]}
    assert note_of(revised) == "speakers: utterance 3 is of Speaker 2"
    assert note_of({"type": "final", "text": "words"}) is None
