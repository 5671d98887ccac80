"""The suite, started as a user starts it, on real weights; and real speech."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import recordings
from support.launched_suite import Suite, running_suite

from stt_transcriber.models.store import ModelError, default_models_dir, pull

MODEL = "tiny.en"


@pytest.fixture(scope="session")
def model() -> str:
    try:
        pull(MODEL, default_models_dir())
    except ModelError as error:
        pytest.skip(f"no weights: {error}")
    return MODEL


@pytest.fixture(scope="session")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="session")
def suite(model: str, spool: Path) -> Iterator[Suite]:
    """Two replicas of each worker, one gateway, an embedded server, a free port; URLs may lead to this machine."""
    replicas = {"TRANSCRIBER_REPLICAS": "2", "AUDIO_PROCESSOR_REPLICAS": "2"}
    outbound = {
        "OUTBOUND_NETWORKS": "127.0.0.1",
        "OUTBOUND_HTTP": "true",
        "CALLBACK_SECRET": "whsec_" + "MTIzNDU2Nzg" * 4,
    }
    with running_suite(WHISPER_MODEL=model, SPOOL_DIR=str(spool), **replicas, **outbound) as suite:
        yield suite


@pytest.fixture(scope="session")
def beckett() -> NDArray[np.float32]:
    """float32 [n], 16 kHz mono, 10 s."""
    try:
        return recordings.beckett()
    except recordings.SpeechMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def pcm16(beckett: NDArray[np.float32]) -> bytes:
    """The same as s16le bytes."""
    return (beckett * 32767).astype("<i2").tobytes()
