"""Speakers from made-up voices: who is told apart, how many there are, and whose each word is."""

import numpy as np
import pytest
from numpy.typing import NDArray

from stt_shared.contracts.speakers import SpeakerCount
from stt_transcriber.core.speakers.clustering import labels_after, merges_of
from stt_transcriber.core.speakers.counting import MOST_CLUSTERED, speaker_voices
from stt_transcriber.core.speakers.words import speaker_of_words

pytestmark = pytest.mark.unit

Floats = NDArray[np.float32]


def voices_of(speakers: list[int], *, spread: float = 0.8, seed: int = 1) -> Floats:
    """A voice for each window: its speaker's own one, and what differs from window to window.

    With a spread of 0.8, two windows of one speaker have a cosine of about 0.6, of two speakers about 0, as measured
    on real speech.
    """
    random = np.random.default_rng(seed)
    own = np.linalg.qr(random.standard_normal((64, 64)))[0].astype(np.float32)
    voices = own[speakers] + spread * random.standard_normal((len(speakers), 64)).astype(np.float32) / 8
    return np.asarray(voices / np.linalg.norm(voices, axis=1, keepdims=True), np.float32)


ANY = SpeakerCount()


def count_of(voices: Floats, limits: SpeakerCount = ANY) -> int:
    return len(speaker_voices(voices, np.full(len(voices), 0.75, np.float32), limits))


def test_the_most_alike_are_merged_first() -> None:
    angles = np.array([0.0, 0.1, 1.0, 1.3, 3.0])
    merges = merges_of(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    assert [(merge.one, merge.other) for merge in merges[:2]] == [(0, 1), (2, 3)]
    assert labels_after(merges[:2], 5).tolist() == [0, 0, 2, 2, 4]
    assert len(set(labels_after(merges, 5).tolist())) == 1
    assert [merge.similarity for merge in merges] == sorted((merge.similarity for merge in merges), reverse=True)


def test_speakers_are_counted() -> None:
    for count in (1, 2, 3, 4, 8):
        assert count_of(voices_of([index // 3 % count for index in range(20 * count)])) == count


def test_the_number_can_be_given() -> None:
    voices = voices_of([index % 4 for index in range(80)])
    assert count_of(voices, SpeakerCount(2, 2)) == 2
    assert count_of(voices, SpeakerCount(1, 3)) == 3
    assert count_of(voices, SpeakerCount(6, 8)) >= 4
    alike = voices_of([0] * 40)
    assert count_of(alike) == 1
    assert count_of(alike, SpeakerCount(2, 2)) == 2, "one voice is divided if there are surely two speakers"


def test_a_noise_is_no_speaker_but_a_short_recording_has_some() -> None:
    assert count_of(voices_of([0] * 40 + [1] * 3)) == 1
    assert count_of(voices_of([0] * 5 + [1] * 4)) == 2
    assert count_of(voices_of([0])) == 1
    assert count_of(np.zeros((0, 64), np.float32)) == 0


def test_a_long_recording_is_sampled() -> None:
    voices = voices_of([index // 7 % 3 for index in range(3 * MOST_CLUSTERED)])
    assert count_of(voices) == 3


def test_equal_input_has_equal_speakers() -> None:
    voices = voices_of([index % 3 for index in range(60)])
    lengths = np.full(60, 0.75, np.float32)
    again = speaker_voices(voices.copy(), lengths, SpeakerCount())
    assert speaker_voices(voices, lengths, SpeakerCount()).tobytes() == again.tobytes()


def test_a_single_odd_word_stays_with_its_sentence_and_a_pause_lets_speakers_change() -> None:
    spans = [(0.3 * index, 0.3 * index + 0.25) for index in range(20)]
    windows = np.array([(start - 0.1, end + 0.1) for start, end in spans], np.float32)
    similar = np.array([[0.6, 0.1]] * 10 + [[0.1, 0.6]] * 10, np.float32)
    assert speaker_of_words(spans, windows, similar).tolist() == [0] * 10 + [1] * 10
    odd = np.array([[0.6, 0.1]] * 20, np.float32)
    odd[10] = [0.3, 0.4]
    assert speaker_of_words(spans, windows, odd).tolist() == [0] * 20


def test_words_without_a_window_go_with_their_neighbours() -> None:
    spans = [(0.0, 0.5), (0.5, 1.0), (9.0, 9.2), (9.3, 9.5)]
    windows = np.array([(0.0, 1.0)], np.float32)
    assert speaker_of_words(spans, windows, np.array([[0.1, 0.7]], np.float32)).tolist() == [1, 1, 1, 1]
    assert speaker_of_words([], windows, np.array([[0.1, 0.7]], np.float32)).tolist() == []
