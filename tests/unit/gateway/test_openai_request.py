"""Requests to OpenAI's API for audio, as the options of a job."""

import pytest

from stt_gateway.core.openai.models import DEFAULT_NAMES, check_model, model_list, names_of
from stt_gateway.core.openai.request import AudioRequest, Granularity, ResponseFormat, audio_request
from stt_gateway.core.requests.job_request import JobRequest
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import SpeakerCount
from stt_shared.contracts.session import Redaction, Task

pytestmark = pytest.mark.unit


def asked(*pairs: tuple[str, str], task: Task = Task.TRANSCRIBE) -> AudioRequest:
    return audio_request(pairs, task)


def refused(*pairs: tuple[str, str]) -> SttError:
    with pytest.raises(SttError) as caught:
        asked(*pairs)
    assert caught.value.code == "bad_config"
    return caught.value


def test_the_least_request() -> None:
    assert asked() == AudioRequest("", JobRequest())
    assert asked(("model", "whisper-1"), ("language", "")) == AudioRequest("whisper-1", JobRequest())


def test_every_field_that_the_python_client_sends() -> None:
    request = asked(
        ("model", "gpt-4o-transcribe"),
        ("chunking_strategy[type]", "server_vad"),
        ("chunking_strategy[threshold]", "0.5"),
        ("include[]", "logprobs"),
        ("keywords[]", "Kubernetes"),
        ("keywords[]", "Grafana"),
        ("languages[]", "en"),
        ("languages[]", "de"),
        ("prompt", "Ann"),
        ("response_format", "verbose_json"),
        ("temperature", "0.0"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("stream", "false"),
    )
    job = JobRequest(prompt="Ann", languages=("en", "de"), keyterms=("Kubernetes", "Grafana"))
    both = frozenset({Granularity.WORD, Granularity.SEGMENT})
    assert request == AudioRequest(
        "gpt-4o-transcribe", job, ResponseFormat.VERBOSE_JSON, granularities=both, has_logprobs=True
    )


def test_translation_and_the_fields_of_a_job() -> None:
    request = asked(("redact", "card"), ("language", "German"), task=Task.TRANSLATE)
    assert request.job == JobRequest("de", Task.TRANSLATE, redact=(Redaction.CARD,))


@pytest.mark.parametrize("pair", [("model", "gpt-4o-transcribe-diarize"), ("response_format", "diarized_json")])
def test_speakers_are_told_apart_for_the_model_or_the_format(pair: tuple[str, str]) -> None:
    assert asked(pair).job.speakers == SpeakerCount()
    assert asked(pair, ("speakers", "2")).job.speakers == SpeakerCount(2, 2)


def test_the_end_of_a_long_prompt_counts() -> None:
    assert asked(("prompt", "a" * 3000 + "b" * 1000)).job.prompt == "b" * 1000


@pytest.mark.parametrize("value", ["auto", '{"type": "server_vad", "threshold": 0.5}'])
def test_chunking_is_accepted(value: str) -> None:
    assert asked(("chunking_strategy", value)) == asked()


@pytest.mark.parametrize(
    ("pair", "param", "needle"),
    [
        (("response_format", "xml"), "response_format", "diarized_json"),
        (("temperature", "2"), "temperature", "from 0 to 1"),
        (("temperature", "nan"), "temperature", "from 0 to 1"),
        (("stream", "yes"), "stream", "true or false"),
        (("include[]", "usage"), "include", "logprobs"),
        (("timestamp_granularities[]", "letter"), "timestamp_granularities", "word, segment"),
        (("known_speaker_names[]", "Ann"), "known_speaker_names", "not supported"),
        (("chunking_strategy", "never"), "chunking_strategy", "server_vad"),
        (("chunking_strategy", '{"type": 1}'), "chunking_strategy", "server_vad"),
        (("chunking_strategy[type]", "never"), "chunking_strategy", "server_vad"),
        (("language", "klingon"), "language", "language"),
        (("redakt", "card"), "redakt", "did you mean redact?"),
    ],
)
def test_what_is_refused_names_its_field(pair: tuple[str, str], param: str, needle: str) -> None:
    error = refused(pair)
    assert error.param == param
    assert needle in error.message


def test_a_field_given_twice_is_refused() -> None:
    assert refused(("model", "a"), ("model", "b")).param == "model"
    assert refused(("prompt", "a"), ("prompt", "b")).param == "prompt"


@pytest.mark.parametrize("written", ["srt", "vtt", "verbose_json"])
def test_formats_without_events_are_not_streamed(written: str) -> None:
    assert refused(("stream", "true"), ("response_format", written)).param == "stream"
    assert asked(("stream", "true"), ("response_format", "text")).is_streamed


def test_other_fields_are_ignored_and_named() -> None:
    request = asked(("user", "u"), ("vad_filter", "true"), ("user", "v"), ("a\nb", "c"), ("task", "translate"))
    assert request == AudioRequest("", JobRequest(), ignored=("user", "vad_filter", "task"))


def test_names_of_models() -> None:
    names = names_of(" a, b ,a,")
    assert names == ("a", "b")
    assert "whisper-1" in names_of(DEFAULT_NAMES)
    assert [one["id"] for one in model_list(names)["data"]] == ["a", "b"]
    check_model("b", names)
    with pytest.raises(SttError, match=r"'c' does not exist; there are a, b") as caught:
        check_model("c", names)
    assert (caught.value.code, caught.value.param) == ("not_found", "model")
    with pytest.raises(ValueError, match="visible"):
        names_of("two words")
