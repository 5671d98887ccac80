"""Segmentation: where speech begins and ends, which utterances need a final, and which decode is due."""

import numpy as np
import pytest
from support.fake_vad import LoudnessVad

from stt_shared.contracts.session import SessionConfig
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.segmenter import Segmenter, SpeechBegan, SpeechEnded, SpeechEvent, UtteranceClosed
from stt_transcriber.core.live.speculative_final import SpeculativeFinal
from stt_transcriber.core.live.turn import TurnVerdicts
from stt_transcriber.core.schedule.scheduler import Kind

pytestmark = pytest.mark.unit


class Recording:
    """A segmenter that gets 32 ms of audio at a time."""

    def __init__(self) -> None:
        self.segmenter = Segmenter(
            LivePolicy(),
            SessionConfig(),
            LoudnessVad(),
            SpeculativeFinal(),
            TurnVerdicts(),
            committed_samples=0,
            committed_seq=0,
            checkpoint=None,
        )
        self._seq = 0

    def add(self, windows: int, *, loud: bool) -> list[SpeechEvent]:
        events: list[SpeechEvent] = []
        for _ in range(windows):
            self._seq += 1
            events += self.segmenter.add(np.full(512, 5000 if loud else 0, np.int16), self._seq)
        return events


def test_speech_begins_at_its_onset_and_ends_at_its_last_voice() -> None:
    recording = Recording()
    assert recording.add(30, loud=False) == []
    assert recording.add(30, loud=True) == [SpeechBegan(30 * 512)]
    ended, closed = recording.add(20, loud=False)
    assert ended == SpeechEnded(60 * 512)
    assert isinstance(closed, UtteranceClosed)
    assert closed.settled_until is None
    assert closed.utterance.start == 30 * 512 - 300 * 16, "the pre-roll belongs to it"
    assert closed.utterance.end == (60 * 512 + 7 * 512) // 16 * 16, "and the silence that a speculative final has"
    assert recording.segmenter.open is None


def test_a_click_ends_without_an_utterance() -> None:
    recording = Recording()
    assert recording.add(4, loud=True) == [SpeechBegan(0)]
    assert recording.add(20, loud=False) == [SpeechEnded(4 * 512)]


def test_the_decode_that_is_due_follows_the_speech() -> None:
    recording = Recording()
    due: list[Kind | None] = []
    for windows, loud in ((5, True), (10, True), (7, False)):
        recording.add(windows, loud=loud)
        due.append(recording.segmenter.should_decode(speculates=True))
    assert due == [None, Kind.FIRST, Kind.FINAL]
    assert recording.segmenter.should_decode(speculates=False) is Kind.FIRST, "no time for what may be useless"
