"""Keyterms on real weights and real speech, twice each: with them, and without."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.recordings import read_audio

from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.engines.onnx.engine import OnnxWhisperEngine

pytestmark = pytest.mark.model
Audio = NDArray[np.float32]


def heard(engine: OnnxWhisperEngine, audio: Audio, quality: Quality, *keyterms: str) -> str:
    (hypothesis,) = engine.decode([DecodeRequest(audio, "en", quality=quality, keyterms=keyterms)])
    return hypothesis.text


def test_the_words_that_are_missed_most_are_found(onnx_base: OnnxWhisperEngine, corpus: list[dict[str, Any]]) -> None:
    """Of the long words that finals miss without keyterms, most are found with them; no other long word is lost."""
    missed = found = lost = 0
    rows = [row for row in corpus if row["lang"] == "en" and row["kind"] == "utterance" and row["text"]]
    for row in [row for row in rows if 3 < row["duration_s"] < 9][:24]:
        audio = read_audio(row["file"])
        said = {word for word in row["text"].lower().split() if len(word) > 5 and word.isalpha()}
        without, with_them = (
            set(heard(onnx_base, audio, Quality.FULL, *terms).lower().replace(",", "").replace(".", "").split())
            for terms in ((), tuple(sorted(said)))
        )
        missed += len(said - without)
        found += len((said & with_them) - without)
        lost += len((said & without) - with_them)
    assert missed >= 3, "the corpus is too easy to prove anything"
    assert found > missed / 3
    assert lost == 0


@pytest.mark.parametrize("quality", list(Quality))
@pytest.mark.parametrize("phrase", ["Fale", "Phail", "Trie", "betta", "Worstward Ho", "Kubernetes"])
def test_what_was_not_said_is_not_written(
    onnx_tiny: OnnxWhisperEngine, beckett: Audio, quality: Quality, phrase: str
) -> None:
    assert heard(onnx_tiny, beckett, quality, phrase) == heard(onnx_tiny, beckett, quality)
