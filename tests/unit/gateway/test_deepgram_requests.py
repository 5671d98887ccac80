"""Queries of Deepgram's API, as the requests of sessions and jobs."""

import io
import wave

import pytest

from stt_gateway.core.deepgram.file_request import AnswerForm, FileRequest, file_request
from stt_gateway.core.deepgram.live_request import LiveRequest, live_request
from stt_gateway.core.deepgram.parameters import TextForm
from stt_gateway.core.requests.job_request import JobRequest
from stt_gateway.core.requests.session_request import Defaults
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import SpeakerCount
from stt_shared.contracts.session import ChannelMode, Encoding, Endpointing, Fillers, Redaction, SessionConfig

pytestmark = pytest.mark.unit

BARE = TextForm(punctuated=False)


def live(*pairs: tuple[str, str]) -> LiveRequest:
    return live_request(pairs, Defaults(), "r1")


def config(*pairs: tuple[str, str]) -> SessionConfig:
    return live(*pairs).session.config


def file(*pairs: tuple[str, str]) -> FileRequest:
    return file_request(pairs)


def refused(*pairs: tuple[str, str]) -> SttError:
    with pytest.raises(SttError) as caught:
        live(*pairs)
    assert caught.value.code == "bad_config"
    return caught.value


def test_the_least_live_request_sends_a_container_and_wants_finals() -> None:
    request = live()
    assert request.session.session_id == "r1"
    expected = SessionConfig(encoding=Encoding.AUTO, interim_results=False, endpointing=Endpointing.AUTO)
    assert request.session.config == expected
    assert (request.form, request.vad_events, request.utterance_end_ms, request.has_endpoints) == (
        BARE,
        False,
        None,
        True,
    )


def test_what_voice_agents_send() -> None:
    request = live(
        ("callback", "false"),
        ("channels", "1"),
        ("detect_entities", "false"),
        ("diarize", "false"),
        ("dictation", "false"),
        ("encoding", "linear16"),
        ("endpointing", "300"),
        ("interim_results", "true"),
        ("language", "en-US"),
        ("mip_opt_out", "true"),
        ("model", "nova-3-general"),
        ("multichannel", "false"),
        ("numerals", "false"),
        ("profanity_filter", "False"),
        ("punctuate", "true"),
        ("sample_rate", "24000"),
        ("smart_format", "false"),
        ("tag", "a"),
        ("tag", "b"),
        ("utterance_end_ms", "1000"),
        ("vad_events", "true"),
        ("some_new_name", "x"),
    )
    assert request.session.config == SessionConfig(
        sample_rate=24000,
        language="en",
        endpointing=Endpointing.FIXED,
        endpointing_ms=300,
    )
    assert (request.form, request.vad_events, request.utterance_end_ms) == (TextForm(), True, 1000)


@pytest.mark.parametrize(
    ("given", "rule", "silence_ms", "has_endpoints"),
    [
        ("true", Endpointing.AUTO, 500, True),
        ("10", Endpointing.AUTO, 500, True),
        ("99", Endpointing.AUTO, 500, True),
        ("100", Endpointing.FIXED, 100, True),
        ("60000", Endpointing.FIXED, 5000, True),
        ("false", Endpointing.AUTO, 500, False),
        ("0", Endpointing.AUTO, 500, False),
    ],
)
def test_endpointing(given: str, rule: Endpointing, silence_ms: int, has_endpoints: bool) -> None:
    request = live(("endpointing", given))
    assert (request.session.config.endpointing, request.session.config.endpointing_ms) == (rule, silence_ms)
    assert request.has_endpoints is has_endpoints


@pytest.mark.parametrize(
    ("given", "encoding", "rate"),
    [
        ("linear16", Encoding.PCM_S16LE, 16000),
        ("linear32", Encoding.PCM_F32LE, 16000),
        ("mulaw", Encoding.MULAW, 8000),
        ("alaw", Encoding.ALAW, 8000),
        ("ogg-opus", Encoding.OGG, 16000),
        ("opus", Encoding.AUTO, 16000),
        ("flac", Encoding.FLAC, 16000),
    ],
)
def test_encodings(given: str, encoding: Encoding, rate: int) -> None:
    found = config(("encoding", given))
    assert (found.encoding, found.sample_rate) == (encoding, rate)


def test_channels_are_kept_apart_where_each_is_to_have_its_text() -> None:
    found = config(("encoding", "mulaw"), ("channels", "2"), ("multichannel", "true"))
    assert (found.channels, found.channel_mode, found.sample_rate) == (2, ChannelMode.SEPARATE, 8000)
    assert config(("multichannel", "true")).channels_apart == (0, 1), "of a container that does not say"
    assert config(("encoding", "linear16"), ("multichannel", "true")).channels_apart == (0,)
    assert config(("channels", "2")).channel_mode is ChannelMode.MIX
    both = config(("multichannel", "true"), ("diarize", "true"))
    assert (both.channels_apart, both.speakers) == ((0, 1), SpeakerCount())


def test_words_of_the_client() -> None:
    found = config(
        ("keyterm", "Kubernetes"),
        ("keyterm", "beam search"),
        ("keywords", "Grafana:2"),
        ("keywords", "Redis:-1.5"),
        ("replace", "cooper netties:Kubernetes"),
        ("replace", "er:"),
        ("filler_words", "false"),
    )
    assert found.keyterms == ("Kubernetes", "beam search", "Grafana", "Redis")
    assert found.replacements == {"cooper netties": "Kubernetes", "er": ""}
    assert found.fillers is Fillers.REMOVE
    assert config(("filler_words", "true")).fillers is Fillers.KEEP
    assert refused(("keyterm", "x" * 101)).param == "keyterm"
    assert refused(("replace", ":x")).param == "replace"


def test_redaction() -> None:
    found = config(("redact", "pci"), ("redact", "email_address"), ("redact", "false"))
    assert found.redact == (Redaction.CARD, Redaction.NUMBER, Redaction.EMAIL)
    assert refused(("redact", "pii")).param == "redact"
    assert "redact" in refused(("redakt", "pci")).message


def test_languages_and_speakers() -> None:
    assert config(("language", "multi")).possible_languages == ()
    assert config(("language", "multi"), ("language_hint", "en"), ("language_hint", "es")).languages == ("en", "es")
    assert live(("language", "multi")).form.has_languages
    for asked in (("diarize", "true"), ("diarize_model", "latest"), ("speakers", "2-3")):
        assert live(asked).form.has_speakers
    assert config(("diarize", "true")).speakers == SpeakerCount()
    assert config(("speakers", "2-3")).speakers == SpeakerCount(2, 3)
    assert config(("language_hint", "en")).languages == (), "without multi it has no effect"


def test_parameters_of_the_suite_pass() -> None:
    request = live(("store", "true"), ("conversation_id", "c"), ("session_id", "mine"), ("prompt", "Ann"))
    found = request.session.config
    assert (found.store, found.conversation_id, found.prompt, request.session.session_id) == (True, "c", "Ann", "mine")


@pytest.mark.parametrize(
    "pair",
    [
        ("callback", "https://example.org/x"),
        ("search", "word"),
        ("detect_entities", "true"),
        ("profanity_filter", "true"),
        ("alternatives", "2"),
        ("encoding", "g729"),
        ("encoding", "mp3"),
        ("endpointing", "soon"),
        ("endpointing", "-1"),
        ("utterance_end_ms", "x"),
        ("vad_events", "perhaps"),
        ("interim_results", "2"),
        ("sample_rate", "1"),
        ("language", "klingon"),
        ("resume_tokens", "x"),
    ],
)
def test_what_would_be_missing_is_refused(pair: tuple[str, str]) -> None:
    if pair[0] == "resume_tokens":
        assert live(pair) == live()
        return
    assert pair[0] in refused(pair).message


def test_a_name_given_twice_is_refused() -> None:
    assert refused(("language", "en"), ("language", "de")).param == "language"


def test_the_least_request_for_a_file() -> None:
    assert file() == FileRequest(JobRequest(), AnswerForm(BARE))


def test_options_of_a_file() -> None:
    request = file(
        ("model", "nova-3"),
        ("smart_format", "true"),
        ("utterances", "true"),
        ("utt_split", "1.2"),
        ("diarize", "true"),
        ("keyterm", "Ann"),
        ("replace", "a:b"),
        ("language", "de"),
    )
    job = JobRequest(language="de", keyterms=("Ann",), replacements={"a": "b"}, speakers=SpeakerCount())
    form = TextForm(has_speakers=True)
    assert request == FileRequest(job, AnswerForm(form, has_paragraphs=True, has_utterances=True, utt_split_s=1.2))
    assert file(("multichannel", "true")).job.channel_mode is ChannelMode.SEPARATE
    assert file(("known_speakers", "true")).answer.text.has_speakers
    for wrong in (
        ("utt_split", "0"),
        ("summarize", "v2"),
        ("callback", "nonsense"),
        ("callback_method", "get"),
        ("topics", "true"),
    ):
        with pytest.raises(SttError, match=wrong[0]):
            file(wrong)


def test_a_language_that_is_to_be_detected() -> None:
    request = file(("detect_language", "true"), ("language", "de"))
    assert request.answer.tells_language
    assert request.job.possible_languages == ()
    among = file(("detect_language", "en"), ("detect_language", "es"))
    assert among.job.languages == ("en", "es")
    assert not file(("detect_language", "false")).answer.tells_language


def test_bare_samples_get_a_header_that_says_what_they_are() -> None:
    raw = file(("encoding", "linear16"), ("sample_rate", "8000"), ("channels", "2")).raw
    assert raw is not None
    samples = bytes(range(16))
    with wave.open(io.BytesIO(raw.header(len(samples)) + samples)) as found:
        assert (found.getframerate(), found.getnchannels(), found.getsampwidth()) == (8000, 2, 2)
        assert found.readframes(100) == samples
    assert file(("encoding", "mulaw")).raw == file(("encoding", "mulaw"), ("sample_rate", "8000")).raw
    assert file(("encoding", "flac")).raw is None
    with pytest.raises(SttError, match="encoding"):
        file(("encoding", "g729"))
