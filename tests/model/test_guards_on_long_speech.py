"""Speech that never pauses long enough to end is cut between words: no word is lost or said twice."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import recordings
from support.hypothesis_checks import word_error_rate

from stt_shared.contracts.events import Final
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import SessionConfig
from stt_transcriber.core.live import segmenter
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.engines.base import Engine
from stt_transcriber.vad.models import load_vad

pytestmark = pytest.mark.model
LENGTH_S = 45
# Cuts every 6 to 9 seconds, and no other end of an utterance.
POLICY = LivePolicy(max_utterance_ms=9_000, cut_look_back_ms=3_000, speculative_final_ms=5_000)
CONFIG = SessionConfig(language="en", interim_results=False, endpointing_ms=5_000)


def text_of(engine: Engine, audio: NDArray[np.float32]) -> tuple[str, int]:
    """The finals as one text, and how many they are."""
    session = LiveSession("s", CONFIG, POLICY, load_vad("silero")())
    samples = np.clip(np.round(audio * 32768), -32768, 32767).astype(np.int16)
    frames = [
        Frame(seq, FrameKind.AUDIO, samples[at : at + 8000].tobytes(), FrameMeta(1.0, at))
        for seq, at in enumerate(range(0, len(samples), 8000), start=1)
    ]
    finals: list[str] = []
    for frame in [*frames, Frame(len(frames) + 1, FrameKind.STOP)]:
        session.feed(frame, 0)
        while ticket := session.begin():
            session.apply(engine.decode([ticket.request])[0], 0)
        outcomes = session.take_outcomes()
        finals += [outcome.event.text for outcome in outcomes if isinstance(outcome.event, Final)]
    return " ".join(finals), len(finals)


def test_no_word_is_lost_or_doubled_at_a_cut(
    tiny: Engine, corpus: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for row in corpus if row["kind"] == "long" and row["lang"] == "en" and row.get("words")]
    if not rows:
        pytest.skip("the corpus has no long English recording with word times")
    references, errors, blind_errors = 0, 0.0, 0.0
    for row in rows[:3]:
        audio = recordings.read_audio(row["file"])[: LENGTH_S * 16000]
        reference = " ".join(word for word, _, end in row["words"] if end < len(audio) / 16000)
        text, finals = text_of(tiny, audio)
        assert finals >= 4
        with monkeypatch.context() as blind:
            blind.setattr(segmenter, "cut_point", lambda buffer, track, begin, end: end - 16000)
            blind_text, _ = text_of(tiny, audio)
        length = len(reference.split())
        references += length
        errors += word_error_rate(reference, text) * length
        blind_errors += word_error_rate(reference, blind_text) * length
    assert errors <= blind_errors
    assert errors / references < 0.15
