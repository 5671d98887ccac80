"""The language of a session or a file that begins with little voice."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import recordings

from stt_shared.contracts.events import Final
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import SessionConfig
from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.engines.base import Engine
from stt_transcriber.vad.models import load_vad

pytestmark = pytest.mark.model

LANGUAGES = ["de", "es", "fr", "pt"]


def finals_of(engine: Engine, audio: NDArray[np.float32], endpointing_ms: int = 500) -> list[Final]:
    config = SessionConfig(interim_results=False, endpointing_ms=endpointing_ms)
    session = LiveSession("s", config, LivePolicy(), load_vad("silero")())
    samples = np.clip(np.round(audio * 32768), -32768, 32767).astype(np.int16)
    frames = [
        Frame(seq, FrameKind.AUDIO, samples[at : at + 1600].tobytes(), FrameMeta(1.0, at))
        for seq, at in enumerate(range(0, len(samples), 1600), start=1)
    ]
    finals: list[Final] = []
    for frame in [*frames, Frame(len(frames) + 1, FrameKind.STOP)]:
        session.feed(frame, 0)
        while ticket := session.begin():
            session.apply(engine.decode([ticket.request])[0], 0)
        finals += [outcome.event for outcome in session.take_outcomes() if isinstance(outcome.event, Final)]
    return finals


def quiet(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * 16000), np.float32)


def rows_of(corpus: list[dict[str, Any]], language: str) -> list[dict[str, Any]]:
    rows = [row for row in corpus if row["lang"] == language and row["kind"] == "utterance" and row.get("words")]
    if len(rows) < 3:
        pytest.skip(f"the corpus has fewer than three utterances with word times in {language!r}")
    return rows


def said(row: dict[str, Any], first: int, last: int) -> NDArray[np.float32]:
    """Some words of an utterance."""
    words = row["words"]
    begin, end = max(0.0, words[first][1] - 0.1), words[last][2] + 0.1
    return recordings.read_audio(row["file"])[round(begin * 16000) : round(end * 16000)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_behind_an_opening_word_is_in_its_own_language(
    onnx_base: Engine, corpus: list[dict[str, Any]], language: str
) -> None:
    opening, sentence, other = rows_of(corpus, language)[:3]
    one, two = recordings.read_audio(sentence["file"]), recordings.read_audio(other["file"])
    finals = finals_of(
        onnx_base, np.concatenate([quiet(0.5), said(opening, 0, 0), quiet(2), one, quiet(1.5), two, quiet(1.5)])
    )
    after = [final.language for final in finals if final.start_ms > 3_000]
    assert after
    assert set(after) == {language}


def test_long_utterances_are_each_in_their_own_language(onnx_base: Engine, corpus: list[dict[str, Any]]) -> None:
    parts = [recordings.read_audio(rows_of(corpus, language)[1]["file"]) for language in ("en", "de", "fr")]
    audio = np.concatenate([part for spoken in parts for part in (spoken, quiet(2.5))])
    finals = finals_of(onnx_base, audio, endpointing_ms=2_000)
    assert [final.language for final in finals] == ["en", "de", "fr"]


@pytest.mark.parametrize("engine", ["base", "onnx_base"])
def test_short_sayings_are_in_the_language_of_their_voice_together(
    request: pytest.FixtureRequest, corpus: list[dict[str, Any]], engine: str
) -> None:
    heard: Engine = request.getfixturevalue(engine)
    for language in LANGUAGES:
        rows = rows_of(corpus, language)
        short = [said(row, 0, 1) for row in rows[:4]] + [said(row, 3, 4) for row in rows[:4]]
        run_together = np.concatenate([part for saying in short for part in (saying, quiet(0.1))])[: 29 * 16000]
        asked = DecodeRequest(short[0], None, quality=Quality.FULL, language_samples=run_together)
        (hypothesis,) = heard.decode([asked])
        assert hypothesis.language == language
