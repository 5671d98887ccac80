"""Known voices: who gets a name, and who rather gets none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stt_shared.contracts.jobs import ChunkVoices, JobSegment, JobWord
from stt_shared.contracts.speakers import KnownVoice, SpeakerCount
from stt_transcriber.core.speakers.known import KNOWN_FROM, known_names, packed, unpacked
from stt_transcriber.core.speakers.turns import enrolled, packed_voices, with_speakers

pytestmark = pytest.mark.unit


def known(name: str, *numbers: float) -> KnownVoice:
    return KnownVoice(name, packed(np.array([numbers], np.float32)))


def at_cosine(cosine: float) -> list[float]:
    return [cosine, float(np.sqrt(1 - cosine**2)), 0.0]


def rows(*voices: list[float]) -> NDArray[np.float32]:
    return np.array(voices, np.float32)


def test_a_voice_that_is_alike_enough_has_the_name() -> None:
    speakers = rows(at_cosine(KNOWN_FROM + 0.02), [0.0, 0.0, 1.0])
    assert known_names(speakers, [known("Anna", 1, 0, 0)]) == {0: "Anna"}
    assert known_names(rows(at_cosine(KNOWN_FROM - 0.02)), [known("Anna", 1, 0, 0)]) == {}


def test_a_name_is_given_once_to_the_most_alike() -> None:
    speakers = rows(at_cosine(0.8), at_cosine(0.95))
    assert known_names(speakers, [known("Anna", 1, 0, 0)]) == {1: "Anna"}
    both = known_names(speakers, [known("Anna", 1, 0, 0), known("Bob", 0.7, 0.7, 0)])
    assert both == {0: "Bob", 1: "Anna"}


def test_voices_of_another_model_are_left_out() -> None:
    assert known_names(rows([1.0, 0.0, 0.0]), [known("Anna", 1, 0), known("Bob", 1, 0, 0)]) == {0: "Bob"}
    assert known_names(rows([1.0, 0.0, 0.0]), []) == {}
    assert known_names(np.zeros((0, 3), np.float32), [known("Anna", 1, 0, 0)]) == {}


def test_numbers_of_the_others_do_not_depend_on_who_is_known() -> None:
    words = [JobWord(f"w{at}", float(at), at + 0.8, 0.9) for at in range(12)]
    segment = JobSegment(0, 0.0, 11.8, " ".join(word.word for word in words), 0.9, words)
    spans = [(16_000 * at, 16_000 * (at + 1)) for at in range(12)]
    voices = packed_voices(spans, np.eye(3, dtype=np.float32)[[0] * 6 + [2] * 6])
    found = with_speakers([segment], [voices], SpeakerCount(), [known("Anna", 1, 0, 0)])
    assert [one.speaker for one in found] == ["Anna", "Speaker 2"]
    assert {word.speaker for word in found[0].words} == {"Anna"}


def test_an_enrolled_voice_is_the_mean_of_all_windows() -> None:
    parts = [
        packed_voices([(0, 16_000), (8_000, 24_000)], rows([1.0, 0.0], [0.0, 1.0])),
        packed_voices([(32_000, 48_000)], rows([1.0, 0.0])),
    ]
    voice, speech_s = enrolled(parts)
    assert unpacked(voice, 1)[0] == pytest.approx([2 / 5**0.5, 1 / 5**0.5], abs=0.01)
    assert speech_s == pytest.approx(2.5)
    assert enrolled([ChunkVoices([], b"")]) == (b"", 0.0)
