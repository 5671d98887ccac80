"""Noise makes no words, and short real words come through: the live session with real weights and the real voice
model, without Redis."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import recordings

from stt_shared.contracts.events import Final, Partial
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import SessionConfig
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.core.text import guards
from stt_transcriber.engines.base import Engine
from stt_transcriber.vad.models import load_vad

pytestmark = pytest.mark.model
Audio = NDArray[np.float32]
FRAME = 8000


def words_of(engine: Engine, audio: Audio, **config: Any) -> list[str]:
    """Texts of all partials and finals that a session makes of the audio, each decode at once."""
    session = LiveSession("s", SessionConfig(**config), LivePolicy(), load_vad("silero")())
    samples = np.clip(np.round(audio * 32768), -32768, 32767).astype(np.int16)
    texts: list[str] = []
    for seq, at in enumerate(range(0, len(samples), FRAME), start=1):
        data = samples[at : at + FRAME].tobytes()
        session.feed(Frame(seq, FrameKind.AUDIO, data, FrameMeta(1.0, at)), 0)
        texts += _texts_after(engine, session)
    session.feed(Frame(len(samples), FrameKind.STOP), 0)
    return texts + _texts_after(engine, session)


def _texts_after(engine: Engine, session: LiveSession) -> list[str]:
    while ticket := session.begin():
        session.apply(engine.decode([ticket.request])[0], 0)
    events = [outcome.event for outcome in session.take_outcomes()]
    return [event.text for event in events if isinstance(event, Partial | Final) and event.text]


def noises(corpus: list[dict[str, Any]]) -> Iterator[tuple[str, Audio]]:
    for row in corpus:
        if row["kind"] == "noise":
            yield row["id"], recordings.read_audio(row["file"])[: 30 * 16000]


@pytest.mark.parametrize("language", [None, "en"])
def test_noise_makes_no_words(base: Engine, corpus: list[dict[str, Any]], language: str | None) -> None:
    assert {name: said for name, audio in noises(corpus) if (said := words_of(base, audio, language=language))} == {}


def test_noise_makes_no_keyterms(onnx_base: Engine, corpus: list[dict[str, Any]]) -> None:
    words = {word for row in corpus if row.get("lang") == "en" for word in (row.get("text") or "").split()}
    phrases = ("thank you", "music", *sorted(word for word in words if len(word) > 6 and word.isalpha())[:98])
    said = {name: words_of(onnx_base, audio, language="en", keyterms=phrases) for name, audio in noises(corpus)}
    assert {name: texts for name, texts in said.items() if texts} == {}


def test_without_guards_music_makes_words(
    base: Engine, corpus: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the test above would prove nothing: the voice model takes a few notes for a voice."""
    monkeypatch.setattr(guards, "reason_to_reject", lambda *_, **__: None)
    assert any(words_of(base, audio, language="en") for name, audio in noises(corpus) if "music" in name)


def test_thank_you_after_a_long_silence_comes_through(base: Engine, corpus: list[dict[str, Any]]) -> None:
    quiet = np.random.default_rng(1).standard_normal(8 * 16000).astype(np.float32) * 5e-4
    heard = []
    for row in corpus:
        words = [(re.sub(r"\W", "", word.casefold()), begin, end) for word, begin, end in row.get("words") or []]
        for (first, begin, _), (second, _, end) in pairwise(words):
            if row.get("lang") == "en" and (first, second) == ("thank", "you") and end - begin > 0.2:
                audio = recordings.read_audio(row["file"])[int(max(0, begin - 0.1) * 16000) : int((end + 0.1) * 16000)]
                texts = words_of(base, np.concatenate([quiet, audio, quiet[:32000]]))
                heard.append(texts[-1].casefold() if texts else "")
    assert len(heard) >= 3
    assert [text for text in heard if "thank you" not in text] == []


PROMPTS = {
    "de": "Glossar: Kubernetes, Istio, Grafana. Wöchentliche Besprechung des Teams.",
    "ja": "用語集: Kubernetes、Istio、Grafana。週次会議。",
    "nl": "Woordenlijst: Kubernetes, Istio, Grafana. Wekelijkse vergadering.",
    "ru": "Глоссарий: Kubernetes, Istio, Grafana. Еженедельная встреча команды.",
}


@pytest.mark.parametrize("language", list(PROMPTS))
@pytest.mark.parametrize("has_prompt", [False, True])
def test_music_makes_no_credits_and_no_words_of_the_prompt(
    base: Engine, corpus: list[dict[str, Any]], language: str, has_prompt: bool
) -> None:
    prompt = PROMPTS[language] if has_prompt else ""
    music = [(name, audio) for name, audio in noises(corpus) if "music" in name]
    assert {
        name: said for name, audio in music if (said := words_of(base, audio, language=language, prompt=prompt))
    } == {}


def test_without_what_is_known_of_credits_and_prompts_it_makes_them(
    base: Engine, corpus: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for rule in ("is_credit", "is_saying", "_is_caption", "_is_one_phrase", "_echoes"):
        monkeypatch.setattr(guards, rule, lambda *_: False)
    music = [audio for name, audio in noises(corpus) if "music" in name]
    assert any(words_of(base, audio, language="ru", prompt=PROMPTS["ru"]) for audio in music)
