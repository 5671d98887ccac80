"""A client's parameters: each that is allowed, and the error that names each that is not and what is allowed."""

import json

import pytest

from stt_gateway.core.requests.idempotency import fingerprint
from stt_gateway.core.requests.job_request import JOB_PARAMETERS, JobRequest, job_request
from stt_gateway.core.requests.model_options import MAX_PROMPT_CHARS
from stt_gateway.core.requests.parameters import MAX_LABEL_CHARS, quoted
from stt_gateway.core.requests.session_request import (
    STREAM_PARAMETERS,
    Defaults,
    Framing,
    Known,
    Resume,
    effective_config,
    session_request,
)
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import ChannelMode, Encoding, Endpointing, Fillers, Redaction, SessionConfig, Task
from stt_shared.contracts.speakers import MAX_SPEAKERS, SpeakerCount

pytestmark = pytest.mark.unit

DEFAULTS = Defaults()
A_NUMBER = "a whole number from {} to {}"
RATE = A_NUMBER.format(4000, 384000)
CHANNELS = A_NUMBER.format(1, 8)
ENDPOINTING = A_NUMBER.format(100, 5000)
ENCODINGS = "one of pcm_s16le, pcm_f32le, mulaw, alaw, webm, ogg, mp3, aac, flac, wav, auto"
CHANNEL_MODE = "one of mix, separate (auto is for files, whose channels are compared beforehand)"
LANGUAGE = "auto, or the code or name of a language that Whisper knows"

BAD = [
    *(
        ("sample_rate", value, RATE)
        for value in ("3999", "384001", "-1", "", "16k", "16000.0", " 16000", "+16000", "1e4")
    ),
    ("sample_rate", "१६०००", RATE),
    ("sample_rate", "²", RATE),
    ("sample_rate", "9" * 5000, RATE),
    *(("channels", value, CHANNELS) for value in ("0", "9", "two")),
    *(("channel_mode", value, CHANNEL_MODE) for value in ("", "SEPARATE", "auto", "stereo")),
    *(("endpointing_ms", value, ENDPOINTING) for value in ("99", "5001", "0.5")),
    *(("endpointing", value, "one of auto, fixed") for value in ("", "AUTO", "500")),
    *(("endpointing_max_ms", value, ENDPOINTING) for value in ("99", "5001")),
    *(("encoding", value, ENCODINGS) for value in ("", "wax", "PCM_S16LE", "linear16")),
    *(("task", value, "one of transcribe, translate") for value in ("", "sing", "Translate")),
    *(("framing", value, "one of raw, seq32") for value in ("", "seq16")),
    *(("interim_results", value, "true or false") for value in ("", "yes", "True", "2")),
    *(("language", value, LANGUAGE) for value in ("xx", "klingon", "e n", "-", "_", "İ")),
    ("prompt", "p" * (MAX_PROMPT_CHARS + 1), "at most 1000 characters long (it has 1001)"),
    ("conversation_id", "c" * (MAX_LABEL_CHARS + 1), "at most 128 characters long (it has 129)"),
    *(("conversation_id", value, "without control characters") for value in ("a\0", "a\nb", "\x7f", "\x85")),
    *(
        ("replacements", value, 'a JSON object of texts, such as {"find": "replace"}')
        for value in ("", "a", "[]", '{"a": 1}', '{"a": null}', "{", '"a"')
    ),
    ("replacements", '{"": "a"}', "phrases with a letter or a digit, each with what is written instead"),
    ("replacements", '{"...": "a"}', "phrases with a letter or a digit, each with what is written instead"),
    ("replacements", json.dumps({"k" * 101: ""}), "phrases of at most 100 characters"),
    ("replacements", json.dumps({"k": "k" * 101}), "phrases of at most 100 characters"),
    ("replacements", json.dumps({"a\0b": ""}), "phrases without control characters"),
    ("replacements", json.dumps({str(i): "" for i in range(201)}), "at most 200 phrases (there are 201)"),
    ("fillers", "drop", "one of keep, remove"),
    ("redact", "card,names", "some of card, email, phone, iban, number, separated by commas"),
    *(("redact_patterns", value, "a JSON array of patterns") for value in ("", "a", "{}", "[1]", '"a"')),
    ("redact_patterns", json.dumps([str(i) for i in range(11)]), "at most 10 patterns (there are 11)"),
    ("redact_patterns", json.dumps(["a" * 201]), "patterns of at most 200 characters"),
    ("redact_patterns", '["(?=a)"]', "patterns that can be used; '(?=a)' has a (?; assertions"),
    ("redact_patterns", '["(a{99}){99}"]', "patterns that can be used; '(a{99}){99}' repeats too much"),
    ("redact_patterns", '["a{99}", "b{99}"]', "patterns that repeat less, all of them together"),
    ("keyterms", "k" * 101, "phrases of at most 100 characters"),
    ("keyterms", ",".join(map(str, range(101))), "at most 100 phrases (there are 101)"),
    ("keyterms", "a\0b", "phrases without control characters"),
    ("speaker", "s" * (MAX_LABEL_CHARS + 1), "at most 128 characters long (it has 129)"),
]


def refusal_of(*pairs: tuple[str, str]) -> SttError:
    with pytest.raises(SttError) as caught:
        session_request(pairs, DEFAULTS)
    assert caught.value.code == "bad_config"
    return caught.value


def test_who_says_nothing_gets_the_defaults() -> None:
    request = session_request([], Defaults(sample_rate=8000, channels=2, endpointing_ms=700))
    assert request.config == SessionConfig(
        sample_rate=8000, channels=2, endpointing=Endpointing.AUTO, endpointing_ms=700, endpointing_max_ms=1200
    )
    assert (request.framing, request.session_id) == (Framing.RAW, None)


def test_channels_are_kept_apart_only_if_their_number_is_given() -> None:
    with pytest.raises(SttError, match=r"separate is given without channels, .* 1 to 8") as refused:
        session_request([("channel_mode", "separate")], Defaults(channels=2))
    assert refused.value.code == "bad_config"
    one = session_request([("channel_mode", "separate"), ("channels", "1")], Defaults(channels=2))
    assert one.config.channels_apart == (0,)
    assert session_request([("channels", "2")], Defaults()).config.channels_apart == ()


def test_every_parameter_reaches_the_session() -> None:
    given = {
        "sample_rate": "48000",
        "encoding": "pcm_f32le",
        "channels": "2",
        "channel_mode": "separate",
        "language": "auto",
        "languages": "de,fr",
        "task": "translate",
        "prompt": "Grüße",
        "replacements": '{" a  b ": "c", "um": ""}',
        "fillers": "remove",
        "redact": "iban, card,iban",
        "redact_patterns": '["EMP-\\\\d{6}"]',
        "keyterms": " Ada  Lovelace,Ada Lovelace,,Größe ",
        "interim_results": "false",
        "endpointing": "auto",
        "endpointing_ms": "900",
        "endpointing_max_ms": "2500",
        "conversation_id": "call 7",
        "speaker": "Ann",
        "speakers": "2-4",
        "known_speakers": "true",
        "store": "true",
        "session_id": "s-1",
        "framing": "seq32",
        "resume_token": "t-1",
        "last_event": "17",
        "committed_ms": "1200",
        "finals": "3",
        "start_ms": "0",
        "callback_url": "https://example.org/done",
    }
    assert set(given) == set(STREAM_PARAMETERS.names)
    request = session_request(given.items(), DEFAULTS)
    assert request.config == SessionConfig(
        sample_rate=48000,
        encoding=Encoding.PCM_F32LE,
        channels=2,
        languages=("de", "fr"),
        task=Task.TRANSLATE,
        prompt="Grüße",
        interim_results=False,
        endpointing=Endpointing.AUTO,
        endpointing_ms=900,
        endpointing_max_ms=2500,
        conversation_id="call 7",
        speaker="Ann",
        store=True,
        keyterms=("Ada Lovelace", "Größe"),
        replacements={"a b": "c", "um": ""},
        fillers=Fillers.REMOVE,
        redact=(Redaction.IBAN, Redaction.CARD),
        redact_patterns=(r"EMP-\d{6}",),
        channel_mode=ChannelMode.SEPARATE,
        callback_url="https://example.org/done",
        speakers=SpeakerCount(2, 4),
        known_speakers=True,
    )
    assert (request.framing, request.session_id) == (Framing.SEQ32, "s-1")
    assert request.resume == Resume("t-1", 17, Known(3, 1200, 0))


def test_a_session_is_resumed_by_its_token_and_what_the_client_has() -> None:
    def resume(**given: str) -> Resume | None:
        return session_request(given.items(), DEFAULTS).resume

    assert resume(session_id="s-1") is None
    assert resume(session_id="s-1", resume_token="t") == Resume("t", 0, None)
    assert resume(session_id="s-1", resume_token="t", committed_ms="40") == Resume("t", 0, Known(0, 40, 40))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"last_event": "3"}, "last_event is for resuming a session"),
        ({"resume_token": "t"}, "without session_id"),
        ({"session_id": "s", "resume_token": "t", "committed_ms": "5", "start_ms": "6"}, "a whole number from 0 to 5"),
    ],
)
def test_a_request_to_resume_that_makes_no_sense_is_refused(given: dict[str, str], message: str) -> None:
    assert message in refusal_of(*given.items()).message


@pytest.mark.parametrize(("name", "value", "allowed"), BAD, ids=[f"{n}={v[:12]}" for n, v, _ in BAD])
def test_a_bad_value_is_refused_by_name_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    message = (
        refusal_of(("language", "en"), (name, value)).message
        if name != "language"
        else refusal_of((name, value)).message
    )
    assert message.startswith(f"{name}={quoted(value)} is not allowed; {name} must be {allowed}")
    assert len(message) < 300


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sample_rate", ("4000", "384000", "016000")),
        ("channels", ("1", "8")),
        ("endpointing_ms", ("100", "5000")),
        ("encoding", [*Encoding]),
        ("interim_results", ("true", "false", "1", "0")),
        ("prompt", ("", "p" * MAX_PROMPT_CHARS)),
        ("speaker", ("", "s" * MAX_LABEL_CHARS)),
    ],
)
def test_the_borders_are_allowed(name: str, values: tuple[str, ...]) -> None:
    for value in values:
        session_request([(name, value)], DEFAULTS)


@pytest.mark.parametrize(("written", "understood"), [("en-US", "en"), ("nb-NO", "no"), ("German", "de"), ("und", None)])
def test_a_session_and_a_file_take_the_same_languages(written: str, understood: str | None) -> None:
    assert session_request([("language", written)], DEFAULTS).config.language == understood
    assert job_request([("language", written)]).language == understood


@pytest.mark.parametrize(
    ("written", "language", "languages"),
    [
        ("en,fr,de", None, ("en", "fr", "de")),
        ("en-US, Deutsch ,nb_NO.UTF-8,eng", None, ("en", "de", "no")),
        ("pt-BR", "pt", ()),
        ("ger,de", "de", ()),
        ("auto", None, ()),
        ("", None, ()),
    ],
)
def test_a_choice_of_languages(written: str, language: str | None, languages: tuple[str, ...]) -> None:
    config = session_request([("languages", written)], DEFAULTS).config
    assert (config.language, config.languages) == (language, languages)
    request = job_request([("languages", written), ("language", "auto")])
    assert (request.language, request.languages) == (language, languages)


@pytest.mark.parametrize("written", ["en,", ",", "en,auto", "en;de", "en,xx", ",".join(["en"] * 1000)])
def test_a_choice_that_is_no_list_of_languages_is_refused(written: str) -> None:
    assert "languages must be auto" in refusal_of(("languages", written)).message


def test_one_language_and_a_choice_are_refused_together() -> None:
    message = refusal_of(("language", "de"), ("languages", "de,fr")).message
    assert message == (
        "language=de and languages are given together; give language for the only one, or languages for a choice"
    )
    with pytest.raises(SttError, match="given together"):
        job_request([("language", "de"), ("languages", "auto")])


def test_the_servers_choice_is_for_those_who_name_none() -> None:
    defaults = Defaults(languages=("en", "fr"))

    def chosen(*pairs: tuple[str, str]) -> tuple[str | None, tuple[str, ...]]:
        config = session_request(pairs, defaults).config
        request = job_request(pairs, defaults.languages)
        assert (config.language, config.languages) == (request.language, request.languages)
        return config.language, config.languages

    assert chosen() == chosen(("language", "auto")) == (None, ("en", "fr"))
    assert chosen(("languages", "de,es")) == (None, ("de", "es"))
    assert chosen(("languages", "auto")) == (None, ())
    assert chosen(("language", "de")) == ("de", ())


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({}, (Endpointing.AUTO, 500, 1200)),
        ({"endpointing_ms": "300"}, (Endpointing.FIXED, 300, 1200)),
        ({"endpointing": "fixed"}, (Endpointing.FIXED, 500, 1200)),
        ({"endpointing": "auto", "endpointing_ms": "300"}, (Endpointing.AUTO, 300, 1200)),
        ({"endpointing": "auto", "endpointing_ms": "2000"}, (Endpointing.AUTO, 2000, 2000)),
        ({"endpointing_max_ms": "800"}, (Endpointing.AUTO, 500, 800)),
        ({"endpointing_ms": "300", "endpointing_max_ms": "800"}, (Endpointing.AUTO, 300, 800)),
    ],
    ids=str,
)
def test_who_names_only_a_silence_gets_exactly_that_one(given: dict[str, str], rule: tuple[object, ...]) -> None:
    config = session_request(given.items(), DEFAULTS).config
    assert (config.endpointing, config.endpointing_ms, config.endpointing_max_ms) == rule


def test_a_longest_silence_must_be_one() -> None:
    assert refusal_of(("endpointing", "fixed"), ("endpointing_max_ms", "800")).message == (
        "endpointing_max_ms is for endpointing=auto"
    )
    assert refusal_of(("endpointing_ms", "900"), ("endpointing_max_ms", "800")).message == (
        "endpointing_max_ms=800 is not allowed; it must be at least endpointing_ms, 900"
    )


def test_the_server_may_have_a_fixed_silence() -> None:
    defaults = Defaults(endpointing=Endpointing.FIXED, endpointing_ms=700, endpointing_max_ms=900)
    assert session_request([], defaults).config.endpointing is Endpointing.FIXED
    config = session_request([("endpointing", "auto")], defaults).config
    assert (config.endpointing, config.endpointing_ms, config.endpointing_max_ms) == (Endpointing.AUTO, 700, 900)


def test_unknown_parameters_are_refused_with_the_known() -> None:
    message = refusal_of(("sample_rate", "16000"), ("colour", "red")).message
    assert message == f"unknown parameter 'colour'; allowed are {', '.join(STREAM_PARAMETERS.names)}"
    assert "unknown parameter 'Language'" in refusal_of(("Language", "en")).message


def test_a_parameter_given_twice_is_refused_even_with_the_same_value() -> None:
    message = refusal_of(("language", "en"), ("language", "en")).message
    assert message == "language is given twice; once is allowed"


def test_a_value_in_a_message_is_short_and_has_no_control_characters() -> None:
    message = refusal_of(("encoding", "wax\r\nEVIL\x1b[31m" + "x" * 10_000)).message
    assert message.isprintable()
    assert len(quoted("x" * 10_000)) < 70
    assert quoted("a\x00b") == r"'a\x00b'"


def test_a_file_takes_fewer_parameters() -> None:
    assert job_request([]) == JobRequest()
    request = job_request([("language", "de-AT"), ("task", "translate"), ("prompt", "Names: Ann")])
    assert request == JobRequest("de", Task.TRANSLATE, "Names: Ann")
    for name, value in [("language", "xx"), ("task", "sing"), ("prompt", "p" * 1001), ("sample_rate", "16000")]:
        with pytest.raises(SttError, match=name) as caught:
            job_request([(name, value)])
        assert caught.value.code == "bad_config"
    with pytest.raises(SttError, match=f"allowed are {', '.join(JOB_PARAMETERS.names)}$"):
        job_request([("", "")])
    with pytest.raises(SttError, match="twice"):
        job_request([("task", "translate"), ("task", "transcribe")])


def test_what_is_redacted_tells_requests_apart() -> None:
    given = [{}, {"redact": ""}, {"redact": "card"}, {"redact": "card,iban"}, {"redact_patterns": '["a"]'}]
    fingerprints = [fingerprint(job_request(one.items()), ["f"]) for one in given]
    assert fingerprints[0] == fingerprints[1]
    assert len(set(fingerprints)) == 4


def test_the_mode_of_channels_tells_requests_apart() -> None:
    requests = [job_request([("channel_mode", mode)] if mode else []) for mode in ("", "mix", "separate", "auto")]
    fingerprints = [fingerprint(request, ["f"]) for request in requests]
    assert fingerprints[0] == fingerprints[1]
    assert len(set(fingerprints)) == 3
    with pytest.raises(SttError, match="channel_mode must be one of mix, separate, auto"):
        job_request([("channel_mode", "stereo")])


def test_who_is_known_by_name_is_told_apart() -> None:
    asked = [("known_speakers", "true"), ("channel_mode", "separate"), ("channels", "2")]
    config = session_request(asked, Defaults()).config
    assert (config.known_speakers, config.speakers) == (True, SpeakerCount())
    assert session_request([*asked, ("speakers", "2")], Defaults()).config.speakers == SpeakerCount(2, 2)
    assert (job_request(asked[:1]).known_speakers, job_request(asked[:1]).speakers) == (True, SpeakerCount())
    assert session_request([], Defaults()).config.known_speakers is False


@pytest.mark.parametrize(
    ("written", "least", "most"), [("auto", 1, MAX_SPEAKERS), ("2", 2, 2), ("2-4", 2, 4), ("1-20", 1, 20)]
)
def test_speakers_of_a_file_or_session(written: str, least: int, most: int) -> None:
    assert job_request([("speakers", written)]).speakers == SpeakerCount(least, most)
    assert session_request([("speakers", written)], Defaults()).config.speakers == SpeakerCount(least, most)
    assert job_request([]).speakers is None
    assert session_request([], Defaults()).config.speakers is None


@pytest.mark.parametrize("written", ["", "0", "21", "4-2", "2-", "-2", "2-21", "1-2-3", "two", "٢", "02", "true"])
def test_speakers_that_are_no_number_are_refused(written: str) -> None:
    with pytest.raises(SttError, match=r"speakers must be auto, a whole number from 1 to 20, or two such numbers"):
        _ = job_request([("speakers", written)])


def test_what_ready_echoes_names_every_field() -> None:
    echoed = effective_config(SessionConfig(language="de"))
    assert set(echoed) == set(SessionConfig.__struct_fields__)
    assert (echoed["language"], echoed["encoding"], echoed["endpointing_ms"]) == ("de", "pcm_s16le", 500)
