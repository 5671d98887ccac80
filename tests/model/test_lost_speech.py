"""Speech that Whisper skips or gets wrong at first has its text in the end: fast speech, and a word before a pause."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import recordings

from stt_shared.contracts.events import Final, Gap
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.jobs import Chunk
from stt_shared.contracts.session import SessionConfig, Task
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Quality
from stt_transcriber.core.files.chunk_text import ChunkText
from stt_transcriber.core.files.cutter import ChunkCutter, CutterPolicy
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.core.text import guards
from stt_transcriber.engines.base import Engine
from stt_transcriber.engines.onnx.engine import OnnxWhisperEngine
from stt_transcriber.vad.models import load_vad

pytestmark = pytest.mark.model
Audio = NDArray[np.float32]
Word = tuple[str, float, float]
FRAME = 8000


def text_of_file(engine: OnnxWhisperEngine, audio: Audio, language: str) -> list[Word]:
    """Words and their times in seconds, as a job's result has them."""
    cutter = ChunkCutter(load_vad("silero")().probabilities, LivePolicy().gate, CutterPolicy())
    words: list[Word] = []
    for cut in cutter.feed(_int16(audio)) + cutter.finish():
        chunk = Chunk("j", "e", 0, cut.start, len(cut.samples), cut.voice_share, cut.voiced)
        text = ChunkText(chunk, cut.samples, Task.TRANSCRIBE)
        while not text.is_over:
            request = DecodeRequest(text.samples(), language, quality=Quality.FILE)
            (hypothesis,) = engine.decode_files([request], lambda: None)
            refused = guards.reason_to_reject(hypothesis, text.voice_share, Quality.FILE)
            begin_s = text.begin / 16000
            settled = text.take(None if refused else hypothesis)
            words += [(word.text, begin_s + word.start_s, begin_s + word.end_s) for word in settled]
        assert not text.unrecognized
    return words


def text_of_session(engine: Engine, audio: Audio, language: str, endpointing_ms: int = 500) -> list[Word]:
    """The words of all finals."""
    config = SessionConfig(language=language, interim_results=False, endpointing_ms=endpointing_ms)
    session = LiveSession("s", config, LivePolicy(), load_vad("silero")())
    session.speculates = False
    samples = _int16(audio)
    frames = [
        Frame(seq, FrameKind.AUDIO, samples[at : at + FRAME].tobytes(), FrameMeta(1.0, at))
        for seq, at in enumerate(range(0, len(samples), FRAME), start=1)
    ]
    words: list[Word] = []
    for frame in [*frames, Frame(len(frames) + 1, FrameKind.STOP)]:
        session.feed(frame, 0)
        while ticket := session.begin():
            session.apply(engine.decode([ticket.request])[0], 0)
            for outcome in session.take_outcomes():
                assert not isinstance(outcome.event, Gap)
                if isinstance(outcome.event, Final):
                    words += [(word.word, word.start_ms / 1000, word.end_ms / 1000) for word in outcome.event.words]
    return words


def _int16(audio: Audio) -> NDArray[np.int16]:
    return np.clip(np.round(audio * 32768), -32768, 32767).astype(np.int16)


def quiet(seconds: float) -> Audio:
    return np.zeros(round(seconds * 16000), np.float32)


def joined(corpus: list[dict[str, Any]], names: Sequence[str]) -> tuple[Audio, str]:
    rows = {row["id"]: row for row in corpus}
    if missing := set(names) - set(rows):
        pytest.skip(f"the corpus lacks {sorted(missing)}")
    return np.concatenate([recordings.read_audio(rows[name]["file"]) for name in names]), " ".join(
        rows[name]["text"] for name in names
    )


FAST = [
    ("en", ("librivox-sense-0870", "ls-1998-15444-0000", "tel-en-demo-echotest", "tel-en-dir-intro")),
    ("fr", ("fleurs-fr-000", "fleurs-fr-001", "fleurs-fr-002", "fleurs-fr-003")),
]


@pytest.mark.parametrize(("language", "names"), FAST)
@pytest.mark.parametrize("heard_by", [text_of_file, text_of_session])
def test_speech_at_double_speed_keeps_its_words(
    onnx_base: OnnxWhisperEngine, corpus: list[dict[str, Any]], heard_by: Any, language: str, names: tuple[str, ...]
) -> None:
    audio, reference = joined(corpus, names)
    words = heard_by(onnx_base, recordings.at_tempo(audio, 2.0), language)
    assert 0.85 <= len(words) / len(reference.split()) <= 1.15
    assert max(end - begin for _, begin, end in words) <= 2
    assert max(later - end for (_, _, end), (_, later, _) in pairwise(words)) <= 3


@pytest.mark.parametrize("heard_by", [text_of_file, lambda *args: text_of_session(*args, endpointing_ms=4000)])
def test_a_word_before_a_pause_does_not_hide_the_sentence_after_it(
    onnx_base: OnnxWhisperEngine, corpus: list[dict[str, Any]], heard_by: Any
) -> None:
    (word, _), (sentence, reference) = joined(corpus, ["fleurs-fr-001"]), joined(corpus, ["fleurs-fr-003"])
    (row,) = [row for row in corpus if row["id"] == "fleurs-fr-001"]
    first = word[int(max(0.0, row["words"][0][1] - 0.1) * 16000) : int((row["words"][0][2] + 0.15) * 16000)]
    audio = np.concatenate([quiet(0.5), first, quiet(2.5), sentence, quiet(1)])
    after_the_pause = [word for word in heard_by(onnx_base, audio, "fr") if word[1] > 2.5]
    # Which words base hears in it differs between CPUs: they round differently.
    assert len(after_the_pause) >= 0.6 * len(reference.split())


def test_double_speed_has_to_be_decoded_more_than_once(
    onnx_base: OnnxWhisperEngine, corpus: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the tests above would prove nothing: the text of the only chunk leaves speech out."""
    audio, _ = joined(corpus, FAST[1][1])
    decoded: list[Hypothesis] = []
    decode = onnx_base.decode_files

    def noted(requests: Sequence[DecodeRequest], give_way: Any) -> list[Hypothesis]:
        decoded.extend(decode(requests, give_way))
        return decoded[-len(requests) :]

    monkeypatch.setattr(onnx_base, "decode_files", noted)
    text_of_file(onnx_base, recordings.at_tempo(audio, 2.0), "fr")
    assert len(decoded) > 1
