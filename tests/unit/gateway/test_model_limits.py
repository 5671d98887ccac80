"""A language that no model knows is refused at the door."""

import pytest

from stt_gateway.core.requests.model_limits import check_model_can, check_speakers
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Task
from stt_shared.streams.replicas import ReplicaStatus

pytestmark = pytest.mark.unit


def transcriber(*languages: str, state: str = "ready") -> ReplicaStatus:
    detail = {"languages": list(languages)}
    return ReplicaStatus(id="t", service="transcriber", state=state, started_ms=0, detail=detail)


def test_what_one_of_the_models_knows_is_allowed() -> None:
    check_model_can([transcriber("en"), transcriber("de", "en")], ["de"], Task.TRANSLATE)
    check_model_can([transcriber("en")], [], Task.TRANSCRIBE)


def test_what_none_knows_is_refused_with_what_is_known() -> None:
    """With language=de on an English model a live client heard nothing at all, and then a plain `done`."""
    with pytest.raises(SttError, match="language=de is not allowed; the model here knows en") as refused:
        check_model_can([transcriber("en"), transcriber("de", state="starting")], ["de"], Task.TRANSCRIBE)
    assert refused.value.code == "bad_config"
    with pytest.raises(SttError, match="languages=fr,gl is not allowed; the model here knows de, en"):
        check_model_can([transcriber("en", "de")], ["fr", "en", "gl"], Task.TRANSCRIBE)
    with pytest.raises(SttError, match="English only"):
        check_model_can([transcriber("en")], [], Task.TRANSLATE)


def test_nobody_to_ask_means_no_refusal() -> None:
    check_model_can([], ["de"], Task.TRANSLATE)


def with_model(*able: bool) -> list[ReplicaStatus]:
    return [
        ReplicaStatus(id="t", service="transcriber", state="ready", started_ms=0, detail={"speakers": one})
        for one in able
    ]


def test_speakers_are_refused_where_no_transcriber_has_the_model() -> None:
    check_speakers(with_model(False, True))
    check_speakers([transcriber("en")])
    with pytest.raises(SttError, match="stt models pull diarization") as refused:
        check_speakers(with_model(False, False))
    assert refused.value.code == "bad_config"
