"""What a Wyoming client asks for, and what it is told."""

from typing import Any

import pytest

from stt_cli.bridge.wyoming_request import AudioFormat, Refusal, audio_format, info_of, transcribe
from stt_cli.bridge.wyoming_wire import Message, WireError
from stt_cli.http.readiness import Health
from stt_gateway.core.requests.language_names import LANGUAGES

pytestmark = pytest.mark.unit


def asked(given: dict[str, str], **data: Any) -> dict[str, str]:
    return transcribe(Message("transcribe", data)).parameters(given)


def test_a_language_replaces_what_the_bridge_says() -> None:
    given = {"languages": "en,de", "fillers": "remove"}
    assert asked(given) == given
    assert asked(given, language="de-CH", name="any") == {"language": "de-CH", "fillers": "remove"}
    assert asked({"language": "en"}, language=None) == {"language": "en"}


def test_names_and_terms_become_keyterms_as_many_as_a_session_takes() -> None:
    terms = asked(
        {"keyterms": "Licht"}, transcript_names=["Küche, oben", " Licht ", "x" * 101], transcript_terms=["Herd\n"]
    )
    assert terms["keyterms"] == "Licht,Küche oben,Herd"
    assert len(asked({}, transcript_names=[f"room {n}" for n in range(500)])["keyterms"].split(",")) == 100
    assert "keyterms" not in asked({}, transcript_names=["", "a\0b"])


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"rate": 16000, "width": 2},
        {"rate": "16000", "width": 2, "channels": 1},
        {"rate": 1, "width": 2, "channels": 1},
        {"rate": 16000, "width": 1, "channels": 1},
        {"rate": 16000, "width": 2, "channels": 9},
    ],
)
def test_audio_that_cannot_be_heard_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(WireError, match=r"^audio-start: "):
        audio_format(Message("audio-start", data))


def test_audio_has_a_format() -> None:
    data = {"rate": 22050, "width": 2, "channels": 2, "timestamp": None}
    assert audio_format(Message("audio-chunk", data, b"")) == AudioFormat(22050, 2, 2)


def replica(model: str, multilingual: bool) -> dict[str, Any]:
    return {"service": "transcriber", "detail": {"model": model, "multilingual": multilingual}}


def models(parameters: dict[str, str], *replicas: dict[str, Any]) -> dict[str, list[str]]:
    info = info_of(Health("healthy", {"whisper": "loaded"}, list(replicas)), parameters, "1.2")
    assert not isinstance(info, Refusal), info
    (program,) = info["asr"]
    assert program["installed"]
    return {model["name"]: model["languages"] for model in program["models"]}


def test_each_model_is_told_once_with_its_languages() -> None:
    assert models({}, replica("base", True), replica("base", True)) == {"base": list(LANGUAGES)}
    assert models({}, replica("tiny.en", False), {"service": "api-gateway", "detail": {}}) == {"tiny.en": ["en"]}


def test_only_the_languages_that_the_bridge_allows_are_told() -> None:
    assert models({"languages": "en,fr"}, replica("base", True)) == {"base": ["en", "fr"]}
    assert models({"language": "de"}, replica("base", True)) == {"base": ["de"]}
    assert models({"language": "auto"}, replica("base", True)) == {"base": list(LANGUAGES)}


@pytest.mark.parametrize(
    ("health", "code"),
    [
        (Health(), "unreachable"),
        (Health("healthy"), "unauthorized"),
        (Health("unhealthy", {"whisper": "missing"}, [{"service": "api-gateway"}]), "no_worker"),
        (Health("unhealthy", {"whisper": "loading"}, [{"service": "transcriber"}]), "no_worker"),
    ],
)
def test_why_nothing_can_be_told(health: Health, code: str) -> None:
    refusal = info_of(health, {}, "1.2")
    assert isinstance(refusal, Refusal)
    assert refusal.code == code
