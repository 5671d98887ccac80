"""The speaker model on real speech: voices of one person are alike, those of two are not."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import recordings

from stt_transcriber.models.registry import SPEAKER_MODEL
from stt_transcriber.models.store import ModelError, pull, resolve
from stt_transcriber.speakers.base import SpeakerModel
from stt_transcriber.speakers.resnet import load, network

pytestmark = pytest.mark.model

CLIP = 3 * 16000


@pytest.fixture(scope="session")
def voice_model(models_dir: Path) -> SpeakerModel:
    try:
        return load(pull(SPEAKER_MODEL, models_dir))
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def clips() -> dict[str, list[NDArray[np.float32]]]:
    """Three clips of 3 s of each of four readers."""
    found: dict[str, list[NDArray[np.float32]]] = {}
    for row in recordings.corpus() or []:
        speaker = row.get("speaker") or ""
        if speaker.startswith("librispeech") and row["kind"] == "utterance" and row["duration_s"] >= 4:
            mine = found.setdefault(speaker, [])
            if len(mine) < 3:
                mine.append(recordings.read_audio(row["file"])[8000 : 8000 + CLIP])
    full = {speaker: mine for speaker, mine in found.items() if len(mine) == 3}
    if len(full) < 4:
        pytest.skip("no corpus with speakers (STT_TEST_CORPUS)")
    return full


def test_voices_of_one_reader_are_more_alike_than_those_of_two(
    voice_model: SpeakerModel, clips: dict[str, list[NDArray[np.float32]]]
) -> None:
    voices = {name: [voice_model.voices(clip, [(0, CLIP)])[0] for clip in mine] for name, mine in clips.items()}
    same = [float(a @ b) for mine in voices.values() for a, b in itertools.combinations(mine, 2)]
    different = [
        float(a @ b)
        for one, other in itertools.combinations(voices, 2)
        for a, b in itertools.product(voices[one], voices[other])
    ]
    assert min(same) > 0.4
    assert np.mean(same) > 0.6
    assert max(different) < 0.45
    assert np.mean(different) < 0.2


def test_in_8_bits_voices_are_those_of_float32(
    models_dir: Path, voice_model: SpeakerModel, clips: dict[str, list[NDArray[np.float32]]]
) -> None:
    exact = network(resolve(SPEAKER_MODEL, models_dir)).ready()
    for clip, *_ in clips.values():
        windows = [(0, 24000), (24000, CLIP)]
        cosines = np.sum(exact.voices(clip, windows) * voice_model.voices(clip, windows), axis=1)
        assert 0.97 < cosines.min() < 0.9999


def test_a_voice_depends_on_its_stretch_of_speech_alone(
    voice_model: SpeakerModel, clips: dict[str, list[NDArray[np.float32]]]
) -> None:
    mine, other = (clips[name][0] for name in sorted(clips)[:2])
    gap = np.zeros(16000, np.float32)
    alone = voice_model.voices(mine, [(0, 24000), (12000, 36000)])
    together = voice_model.voices(np.concatenate([mine, gap, other]), [(0, 24000), (12000, 36000), (64000, 88000)])
    assert together[:2].tobytes() == alone.tobytes()
    assert together.shape == (3, 256)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-4)


def test_very_short_windows_and_none_are_allowed(voice_model: SpeakerModel) -> None:
    noise = np.random.default_rng(1).standard_normal(16000).astype(np.float32) * 0.1
    assert np.isfinite(voice_model.voices(noise, [(0, 1600), (14400, 16000)])).all()
    assert voice_model.voices(noise, []).shape == (0, 256)
