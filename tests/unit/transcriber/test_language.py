"""The decision for a live session's language, and the voice in which it is detected."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from stt_shared.contracts.session import TakeoverState
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES
from stt_transcriber.core.audio.vad_track import VadTrack
from stt_transcriber.core.decoding import DecodeRequest
from stt_transcriber.core.language import SessionLanguage, Voice, voice_in
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.request import check_request, spoken_language

pytestmark = pytest.mark.unit


def voice(seconds: float, level: int = 1000) -> Voice:
    return Voice(np.full(round(seconds * 16000), level, np.int16), round(seconds * 1000))


def tracked(voiced: list[bool]) -> tuple[RollingBuffer, VadTrack]:
    """A window of audio for each, its number as its samples."""
    buffer, track = RollingBuffer(), VadTrack(0, 0.5)
    for number, has_voice in enumerate(voiced):
        buffer.append(np.full(WINDOW_SAMPLES, number, np.int16))
        track.append(float(has_voice))
    return buffer, track


def windows_of(samples: NDArray[np.int16]) -> list[int]:
    assert len(samples) % WINDOW_SAMPLES == 0
    return samples[::WINDOW_SAMPLES].tolist()


def test_voice_is_taken_with_its_margins_and_without_silence() -> None:
    buffer, track = tracked([False] * 10 + [True] * 2 + [False] * 10 + [True] + [False] * 10)
    found = voice_in(buffer, track, 0, buffer.end)
    assert windows_of(found.samples) == [*range(7, 15), *range(19, 26)]
    assert found.voiced_ms == 3 * 32
    assert voice_in(buffer, track, 0, 5 * WINDOW_SAMPLES).voiced_ms == 0


def test_only_windows_that_lie_inside_count() -> None:
    buffer, track = tracked([True] * 10)
    found = voice_in(buffer, track, WINDOW_SAMPLES + 1, 5 * WINDOW_SAMPLES - 1)
    assert windows_of(found.samples) == [2, 3]
    assert found.voiced_ms == 64


def test_what_is_carried_goes_on_the_same_way() -> None:
    first = SessionLanguage(None, TakeoverState())
    first.final_language(voice(1, 5), "en", 0.9)
    context = TakeoverState(voice=first.evidence.samples.tobytes(), voiced_ms=first.evidence.voiced_ms)
    second = SessionLanguage(None, msgspec.json.decode(msgspec.json.encode(context), type=TakeoverState))
    one, other = first.choose(voice(1, 7)), second.choose(voice(1, 7))
    assert one.language_samples is not None
    assert other.language_samples is not None
    assert np.array_equal(one.language_samples, other.language_samples)
    assert np.unique(one.language_samples * 32768).tolist() == [5, 7]


def test_a_context_of_an_older_version_has_its_language() -> None:
    old = msgspec.json.decode(b'{"language":"fr","text":"bonjour","end_sample":16000}', type=TakeoverState)
    assert SessionLanguage(None, old).decided == "fr"
    assert SessionLanguage(None, TakeoverState()).decided is None


@pytest.mark.parametrize(
    ("usual", "detected", "probability", "language"),
    [
        (None, "de", 0.15, ("de", 0.75)),
        ("en", "en", 0.15, ("en", 0.75)),
        ("en", "de", 0.15, ("en", 1.0)),
        ("en", "de", 0.95, ("de", 0.95)),
    ],
)
def test_the_expected_language_stays_unless_another_is_clear(
    usual: str | None, detected: str, probability: float, language: tuple[str, float]
) -> None:
    request = DecodeRequest(np.zeros(16000, np.float32), None, expected_language=usual)
    assert spoken_language(request, {"la": 0.05, detected: probability}) == (language[0], pytest.approx(language[1]))


def test_only_the_languages_of_the_request_are_detected() -> None:
    shares = {"la": 0.6, "de": 0.3, "en": 0.1}
    request = DecodeRequest(np.zeros(16000, np.float32), None, languages=("en", "de"))
    assert spoken_language(request, shares) == ("de", pytest.approx(0.75))
    assert spoken_language(replace(request, languages=()), shares) == ("la", pytest.approx(0.6))
    with pytest.raises(EngineError, match="'la' is not one of this model's: en, de"):
        check_request(replace(request, languages=("en", "la")), ("en", "de"))


def test_the_audio_of_a_detection_has_a_limit_too() -> None:
    long = np.zeros(31 * 16000, np.float32)
    with pytest.raises(EngineError, match="at most 30"):
        check_request(DecodeRequest(long[:16000], None, language_samples=long), ("en",))
