"""The language of a session or a file that begins with little voice."""

import asyncio
import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import recordings

from stt_shared.contracts.events import Final
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.jobs import Chunk, ChunkResult, JobConfig, JobResult, JobSegment, JobStatus
from stt_shared.contracts.session import SessionConfig
from stt_shared.streams.job_state import JobState
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Quality
from stt_transcriber.core.files.cutter import ChunkCutter, CutterPolicy
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.engines.base import Engine
from stt_transcriber.files.job_result import assembled
from stt_transcriber.files.transcription import transcribe
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


def test_a_sentence_in_another_language_is_in_it_at_once(onnx_base: Engine, corpus: list[dict[str, Any]]) -> None:
    order = ["en", "de", "fr", "es", "de", "en"]
    parts = [recordings.read_audio(rows_of(corpus, code)[2]["file"]) for code in order]
    audio = np.concatenate([part for spoken in parts for part in (spoken, quiet(1.5))])
    ends = np.cumsum([len(spoken) / 16 + 1500 for spoken in parts])
    found = [
        (order[int(np.searchsorted(ends, final.start_ms))], final.language) for final in finals_of(onnx_base, audio)
    ]
    assert {expected for expected, _ in found} == set(order)
    assert all(expected == language for expected, language in found), found


def test_where_the_sound_is_doubtful_the_text_decides(onnx_base: Engine, corpus: list[dict[str, Any]]) -> None:
    """English in a strong accent, which sounds like other languages too.

    Whether the sound alone would be wrong depends on the processor's arithmetic, so the test without the texts is one
    of units.
    """
    rows = [row for row in rows_of(corpus, "en") if row["duration_s"] < 8 and row["source"].startswith("resemble-ai")]
    requests = [DecodeRequest(recordings.read_audio(row["file"]), None, quality=Quality.FULL) for row in rows[:30]]
    assert {onnx_base.decode([request])[0].language for request in requests} == {"en"}


def file_of(
    engine: Engine, audio: NDArray[np.float32], order: int = 0, policy: CutterPolicy | None = None
) -> JobResult:
    """The result of a file, whose chunks are done in another order each time."""
    samples = np.clip(np.round(audio * 32768), -32768, 32767).astype(np.int16)
    cutter = ChunkCutter(load_vad("silero")().probabilities, LivePolicy().gate, policy or CutterPolicy())
    cut = cutter.feed(samples) + cutter.finish()
    parts: dict[int, ChunkResult] = {}

    async def decode(request: DecodeRequest) -> Hypothesis:
        return engine.decode([request])[0]

    for index in random.Random(order).sample(range(len(cut)), len(cut)):
        one = cut[index]
        evidence = one.evidence.tobytes()
        chunk = Chunk("j", "e", index, one.start, len(one.samples), one.voice_share, one.voiced, evidence)
        parts[index] = asyncio.run(transcribe(chunk, one.samples.tobytes(), JobConfig("j"), decode))
    state = JobState("e", True, JobStatus.PROCESSING, JobConfig("j"), total_samples=len(samples))
    return assembled(state, [parts[index] for index in range(len(cut))])


def test_a_file_changes_its_language_in_a_pause(onnx_base: Engine, corpus: list[dict[str, Any]]) -> None:
    rows = [min(rows_of(corpus, code), key=lambda row: row["duration_s"]) for code in ("es", "fr", "en")]
    parts = [recordings.read_audio(row["file"]) for row in rows]
    audio = np.concatenate([part for spoken in parts for part in (spoken, quiet(1.5))])
    ends = np.cumsum([len(spoken) / 16000 + 1.5 for spoken in parts])

    def wrong(result: JobResult) -> list[JobSegment]:
        found = [(rows[int(np.searchsorted(ends, (one.start + one.end) / 2))]["lang"], one) for one in result.segments]
        return [segment for expected, segment in found if segment.language != expected]

    result = file_of(onnx_base, audio)
    assert {segment.language for segment in result.segments} == {"es", "fr", "en"}
    assert not wrong(result)
    assert file_of(onnx_base, audio, order=1) == result


def test_sayings_of_a_second_are_in_the_language_of_those_around_them(
    onnx_base: Engine, corpus: list[dict[str, Any]]
) -> None:
    def wrong(code: str, policy: CutterPolicy) -> int:
        short = [said(row, at, at + 1) for row in rows_of(corpus, code)[:4] for at in (0, 3)]
        result = file_of(onnx_base, np.concatenate([part for one in short for part in (one, quiet(5))]), policy=policy)
        return sum(segment.language != code for segment in result.segments)

    together = [wrong(code, CutterPolicy()) for code in ("en", "pt", "fr")]
    each_alone = [wrong(code, CutterPolicy(telling=0)) for code in ("en", "pt", "fr")]
    assert together[0] == 0
    assert sum(together) < sum(each_alone), (together, each_alone)
