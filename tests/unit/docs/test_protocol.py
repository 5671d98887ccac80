"""docs/protocol.md says what the services do: its examples decode, and its tables are those of the code."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from stt_audio.codecs import memory, source
from stt_audio.live.pipeline import MAX_SILENT_BYTES
from stt_audio.settings import AudioSettings
from stt_gateway.core.live import time_limits
from stt_gateway.core.live.messages import OwnMessage, message_from_text
from stt_gateway.core.live.reorder import MAX_EARLY_BYTES, MAX_EARLY_CHUNKS
from stt_gateway.core.operation.health import health_view
from stt_gateway.core.requests.job_request import JOB_PARAMETERS, MAX_TRACK, job_request
from stt_gateway.core.requests.model_options import MAX_PROMPT_CHARS
from stt_gateway.core.requests.parameters import MAX_LABEL_CHARS
from stt_gateway.core.requests.redaction import MAX_PATTERN_CHARS, MAX_PATTERNS
from stt_gateway.core.requests.retry_after import LONGEST_MEAN_S, MEAN_S, SPREAD
from stt_gateway.core.requests.session_request import (
    STREAM_PARAMETERS,
    Defaults,
    Framing,
    effective_config,
    session_request,
)
from stt_gateway.core.requests.viewer_request import VIEWER_PARAMETERS
from stt_gateway.core.requests.vocabulary import MAX_KEYTERMS, MAX_PHRASE_CHARS
from stt_gateway.core.speakers.changes import MAX_MERGES, MAX_PASSAGES
from stt_gateway.core.subtitles.subtitles import LINE_CHARS, LINES
from stt_gateway.core.texts.edits import MAX_TEXT_CHARS
from stt_gateway.dialects.native import said_view
from stt_gateway.http import connections, held_requests, protocol, uploads
from stt_gateway.http.transcripts import MAX_EDIT_BYTES
from stt_gateway.settings import GatewaySettings
from stt_gateway.store import search_limit
from stt_gateway.store.earlier_versions import MOST_VERSIONS
from stt_gateway.store.edit_request import edit_request
from stt_gateway.ws import attachment
from stt_gateway.ws import protocol as ws_protocol
from stt_gateway.ws.viewer import VIEWER_MESSAGES_AT_ONCE, VIEWER_MESSAGES_PER_S, VIEWER_SILENCE_S
from stt_shared.contracts.conversation import LiveUtterance, RevisedSpeakers, Utterance
from stt_shared.contracts.errors import ERRORS, SttError
from stt_shared.contracts.events import Done, Error, Event, Final, Partial, Ready, decode_event
from stt_shared.contracts.frames import FrameKind, frame_from_published
from stt_shared.contracts.jobs import JobStatus, JobView
from stt_shared.contracts.session import Encoding, Endpointing, Redaction, SessionConfig, Task
from stt_shared.streams.jobs import MAX_ENDED_KEPT
from stt_shared.streams.keys import ENDED_SESSION_TTL_S, FAILED_JOB_TTL_S, JOB_TTL_S, SESSION_TTL_S, session_keys
from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.streams.sessions import MAX_EVENTS_KEPT, MAX_INGEST_LOG_BYTES
from stt_transcriber.settings import TranscriberSettings

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "protocol.md").read_text()
# A running text, whatever its line breaks.
PROSE = " ".join(TEXT.split())

EVENT_KINDS = {kind.__struct_config__.tag: kind for kind in get_args(Event)}
MESSAGE_KINDS = {kind.__struct_config__.tag: kind for kind in get_args(OwnMessage)}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def examples() -> Iterator[dict[str, Any]]:
    """Every JSON value of every ```json block; a block may hold several."""
    decoder = json.JSONDecoder()
    for block in blocks("json"):
        at = 0
        while at < len(block):
            value, end = decoder.raw_decode(block, at)
            yield value
            at = end + len(block[end:]) - len(block[end:].lstrip())


def table(heading: str) -> list[list[str]]:
    """The cells of the table whose head begins with ``heading``; first column without code marks."""
    body = TEXT.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in body]
    return [[row[0].strip(" `"), *row[1:]] for row in rows]


def coded(cell: str) -> list[str]:
    """What stands between code marks."""
    return re.findall(r"`([^`]*)`", cell)


EXAMPLES = list(examples())
EVENTS = [example for example in EXAMPLES if example.get("type") in EVENT_KINDS and "cursor" not in example]
MESSAGES = [example for example in EXAMPLES if example.get("type") in MESSAGE_KINDS]
RECOGNISED: list[tuple[str, Callable[[dict[str, Any]], bool]]] = [
    ("event", lambda example: example in EVENTS),
    ("message", lambda example: example in MESSAGES),
    ("viewed", lambda example: example.get("type") == "unsettled" or "cursor" in example),
    ("frame", lambda example: "pcm" in example),
    ("job", lambda example: "job_id" in example and "status" in example),
    ("posted", lambda example: set(example) == {"job_id", "status_url"}),
    ("error", lambda example: set(example) == {"error"}),
    ("found", lambda example: "transcripts" in example),
    ("edit", lambda example: "merge" in example or "texts" in example),
    ("health", lambda example: "services" in example),
    ("alive", lambda example: example == {"status": "alive"}),
]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [example for example in EXAMPLES if dict(RECOGNISED)[kind](example)]


def test_every_example_is_of_exactly_one_kind() -> None:
    for example in EXAMPLES:
        assert len([kind for kind, fits in RECOGNISED if fits(example)]) == 1, example
    for kind, _ in RECOGNISED:
        assert of_kind(kind), f"no example of {kind}"


def test_edits_are_those_that_the_store_takes() -> None:
    texts, speakers = of_kind("edit")
    edit = edit_request(json.dumps(texts).encode())
    assert [{"segment": one.segment, "text": one.text} for one in edit.texts] == texts["texts"]
    edit = edit_request(json.dumps(speakers).encode())
    assert (edit.revision, edit.speakers.names) == (speakers["revision"], speakers["speakers"])
    prose = (
        f"up to {MAX_TEXT_CHARS} characters each",
        f"The body may have {MAX_EDIT_BYTES // 2**20} MiB",
        f"The newest {MOST_VERSIONS} are kept",
        f"At most {MAX_MERGES} at once",
        f"At most {MAX_PASSAGES} passages",
        f"names, 1 to {MAX_LABEL_CHARS} visible",
    )
    assert all(said in PROSE for said in prose)


@pytest.mark.parametrize("example", EVENTS, ids=lambda event: event["type"])
def test_events_are_as_the_contract_has_them(example: dict[str, Any]) -> None:
    event = decode_event(json.dumps(example).encode())
    whole = {"type": example["type"], **msgspec.to_builtins(event)}
    assert whole == example, "every field of the type, and none besides"


def test_what_viewers_see_is_as_the_contract_has_it() -> None:
    examples = {example["type"]: example for example in of_kind("viewed")}
    unsettled = msgspec.convert(examples["unsettled"], LiveUtterance)
    assert {"type": "unsettled", **msgspec.to_builtins(unsettled)} == examples["unsettled"]
    said = dict(examples["utterance"])
    assert said.pop("cursor") == f"{examples['following']['cursor'].split('-')[0]}-{said['seq']}"
    assert said_view(msgspec.convert({**said, "instance": "i"}, Utterance)) == said
    revised = dict(examples["speakers_revised"])
    assert revised.pop("cursor").endswith(f"-{revised['seq']}")
    assert said_view(msgspec.convert({**revised, "instance": "i", "as_of": 4}, RevisedSpeakers)) == revised


def test_every_event_that_a_client_sees_has_an_example_and_a_paragraph() -> None:
    assert {event["type"] for event in EVENTS} == set(EVENT_KINDS)
    for tag in EVENT_KINDS:
        assert f"**{tag}**" in TEXT


def test_the_examples_keep_the_promises_of_the_text() -> None:
    decoded = [decode_event(json.dumps(event).encode()) for event in EVENTS]
    assert all(event.session_id == "interview-7" for event in decoded)
    for event in decoded:
        match event:
            case Ready():
                assert set(event.config) == set(effective_config(SessionConfig()))
                fields = GatewaySettings.model_fields | TranscriberSettings.model_fields
                defaults = {name: field.default for name, field in fields.items()}
                assert msgspec.to_builtins(event.limits).items() <= defaults.items()
            case Partial():
                assert event.text == f"{event.stable} {event.unstable}"
                assert event.text.endswith(event.new_text)
            case Final():
                assert event.text.split() == [word.word for word in event.words]
                assert (event.start_ms, event.end_ms) == (event.words[0].start_ms, event.words[-1].end_ms)
            case Error():
                assert event.retryable is ERRORS[event.code].retryable
                assert (event.retry_after_s is not None) is ERRORS[event.code].is_passing
            case Done():
                stages = {"receive", "queue", "decode", "vad", "buffer", "infer", "emit", "deliver"}
                assert set(event.timings_ms) == stages
            case _:
                pass


def test_messages_are_understood_by_the_gateway() -> None:
    assert {message["type"] for message in MESSAGES} == set(MESSAGE_KINDS)
    for example in MESSAGES:
        message = message_from_text(json.dumps(example), 1024)
        given = {name: value for name, value in msgspec.to_builtins(message).items() if value is not None}
        assert {"type": example["type"], **given} == example


def test_job_views_and_the_event_stream() -> None:
    examples = re.findall(r"^event: (\w+)\ndata: (.*)$", "".join(blocks("text")), re.MULTILINE)
    assert [name for name, _ in examples] == ["progress", "end"]
    for name, data in examples:
        assert msgspec.json.decode(data, type=JobView).status.is_final is (name == "end")
    for example in [*of_kind("job"), *(json.loads(data) for _, data in examples)]:
        view = msgspec.convert(example, JobView)
        assert msgspec.to_builtins(view) == example
        assert view.error is None or view.error.code in ERRORS
        assert view.result is None or view.result.text == " ".join(segment.text for segment in view.result.segments)
    (posted,) = of_kind("posted")
    assert posted["status_url"] == f"/v1/stt/jobs/{posted['job_id']}"
    for status in JobStatus:
        assert f"`{status.value}`" in TEXT


def test_error_bodies() -> None:
    for example in of_kind("error"):
        kind = ERRORS[example["error"]["code"]]
        assert set(example["error"]) == {"code", "message", *(["retry_after_s"] if kind.is_passing else [])}
    passing = " and ".join(", ".join(f"`{code}`" for code, kind in ERRORS.items() if kind.is_passing).rsplit(", ", 1))
    assert f"{passing} tell with `retry_after_s`" in PROSE
    assert f"{MEAN_S * SPREAD[0]:g} to {LONGEST_MEAN_S * SPREAD[1]:g} s" in PROSE


def test_the_health_body() -> None:
    (example,) = of_kind("health")
    replicas = [ReplicaStatus(**replica, started_ms=0) for replica in example["replicas"]]
    others = [ReplicaStatus(id="a", service="audio-processor", state="ready", started_ms=0)]
    view = health_view([*others, *replicas], "ready")
    assert {**view, "replicas": view["replicas"][1:]} == example


def test_published_frames_have_their_exact_shape() -> None:
    (example,) = of_kind("frame")
    _, frame = frame_from_published(json.dumps(example).encode())
    assert frame is not None
    assert json.loads(frame.published(example["session_id"])) == example
    for kind in FrameKind:
        assert f"`{kind.value}`" in TEXT


def test_names_in_redis() -> None:
    at = session_keys("interview-7")
    rows = [[cells[0], *coded(cells[2])] for cells in table("channel")]
    assert rows == [[at.audio, at.audio_log], [at.pcm, at.pcm_log], [at.results, at.results_log]]
    assert f"SUBSCRIBE '{at.results}'" in TEXT


def test_the_query_table_is_what_the_gateway_takes() -> None:
    rows = {row[0]: row for row in table("query")}
    assert (*rows, *(row[0] for row in table("to resume"))) == STREAM_PARAMETERS.names
    request = session_request([], Defaults())
    config = {**effective_config(request.config), "framing": request.framing.value}
    for name, value in config.items():
        if name in ("language", "languages"):
            assert not value
            shown = "`auto`"
        elif value is None:
            shown = "none"
        else:
            shown = f"`{str(value).lower()}`" if value not in ("", (), {}) else "empty"
        assert rows[name][2] == shown, name
    for name, kind in (("encoding", Encoding), ("endpointing", Endpointing), ("task", Task), ("framing", Framing)):
        assert coded(rows[name][1]) == [member.value for member in kind]
    assert rows["prompt"][1] == f"up to {MAX_PROMPT_CHARS} characters"
    assert rows["keyterms"][1] == (
        f"up to {MAX_KEYTERMS} phrases of up to {MAX_PHRASE_CHARS} characters, separated by commas"
    )
    assert all(f"`{kind}`" in rows["redact"][1] for kind in Redaction)
    assert f"up to {MAX_PATTERNS} patterns of up to {MAX_PATTERN_CHARS} characters" in rows["redact_patterns"][1]
    assert rows["speaker"][1] == rows["conversation_id"][1] == f"up to {MAX_LABEL_CHARS} characters"


def accepted(name: str, value: object) -> bool:
    needed = [("channels", "2")] if (name, value) == ("channel_mode", "separate") else []
    try:
        session_request([*needed, (name, str(value))], Defaults())
    except SttError as error:
        return error.code != "bad_config"
    return True


def test_the_bounds_of_the_query_table_are_the_gateways() -> None:
    ranged = 0
    for name, allowed, *_ in table("query"):
        if bounds := re.fullmatch(r"(\d+)–(\d+)", allowed):
            ranged += 1
            least, most = map(int, bounds.groups())
            assert [accepted(name, value) for value in (least - 1, least, most, most + 1)] == [False, True, True, False]
        elif name != "session_id":
            assert all(accepted(name, value) for value in coded(allowed))
    assert ranged == 3
    assert accepted("language", "en-US")


def test_the_table_of_viewers_is_what_the_gateway_takes() -> None:
    assert tuple(row[0] for row in table("viewer's query")) == VIEWER_PARAMETERS.names


def test_the_fields_of_an_upload() -> None:
    rows = {row[0]: row for row in table("field | allowed | default")}
    assert tuple(rows) == JOB_PARAMETERS.names
    live = {row[0]: row for row in table("query")}
    assert coded(rows["channel_mode"][1]) == [*coded(live["channel_mode"][1]), "auto"]
    for name in live.keys() & rows.keys() - {"channel_mode"}:
        assert rows[name][1:3] == live[name][1:3], name
    assert rows["track"][1] == f"1–{MAX_TRACK}"
    assert job_request([]).task.value == coded(rows["task"][2])[0]


def test_the_table_of_errors_is_the_codes() -> None:
    rows = {row[0]: (int(row[1]), int(row[2]), row[3] == "yes") for row in table("code")}
    codes = {code: (kind.http_status, kind.close_code, kind.retryable) for code, kind in ERRORS.items()}
    assert rows == codes
    assert list(rows) == list(ERRORS)


def test_every_warning_is_named() -> None:
    sources = "".join(path.read_text() for path in ROOT.glob("*/stt_*/**/*.py"))
    codes = set(re.findall(r"\bNotice\([^)]*?code=\"(\w+)\"", sources))
    assert codes
    for code in codes:
        assert f"`{code}`" in TEXT


def test_limits_are_the_settings_and_constants() -> None:
    settings = {
        (field.alias or name).upper(): field.default
        for kind in (AudioSettings, TranscriberSettings, GatewaySettings)
        for name, field in kind.model_fields.items()
    }
    rows = table("limit")
    for limit, default, setting, *_ in rows:
        if setting != "fixed":
            assert int(default) == settings[setting.strip("`")], limit
    fixed = {limit: int(default) for limit, default, setting, *_ in rows if setting == "fixed"}
    assert fixed == {
        "messages `finalize` and `configure` in a second (10 at once); what follows is read later": (
            attachment.CONTROLS_PER_S
        ),
        "seconds without a message or a pong of a viewer": VIEWER_SILENCE_S,
        "percent of a gateway's HTTP connections for requests that stay open: uploads while they come, requests for "
        "transcripts of OpenAI's and Deepgram's API, event streams of jobs; a key or address that has a third of them "
        "gets none of the last tenth": held_requests.PERCENT,
        "searches of one gateway at once": search_limit.MAX_SEARCHES,
        "searches of one key or address at once": search_limit.MAX_SEARCHES_OF_CLIENT,
        "seconds that a query of a search may take (then `unavailable`)": search_limit.SEARCH_S,
        "seconds without a message before the first audio": time_limits.FIRST_AUDIO_S,
        "seconds until the first audio, with keepalives": time_limits.FIRST_AUDIO_KEPT_S,
        "bytes of a file's or stream's tags, pictures, attached files and index together": source.MAX_HEADER_BYTES,
        "bytes of memory for one index or tag; an MP4 of 15 hours needs as much": memory.MAX_ALLOCATION_BYTES,
        "seconds that opening a file may take": source.OPEN_WITHIN_S,
        "parts of an upload": uploads.MAX_PARTS,
        "bytes of a form field": uploads.MAX_FIELD_BYTES,
        "bytes of an address with its query": protocol.MAX_ADDRESS_BYTES,
        "bytes of an address and its header fields": protocol.MAX_HEAD_BYTES,
        "header fields of a request, trailers included": protocol.MAX_HEADER_FIELDS,
        "seconds for the head of a request or a handshake, and for a connection that has sent none": (
            connections.HEAD_TIMEOUT_S
        ),
        "seconds over which the rate of a body is measured": connections.BODY_TIMEOUT_S,
        "bytes of a body in a second, on average": connections.MIN_BODY_BYTES_PER_S,
        f"pings, pongs and fragments below {ws_protocol.SMALL_FRAGMENT_BYTES // 1024} KiB of a WebSocket in a second "
        f"({ws_protocol.SMALL_FRAMES_AT_ONCE} at once)": ws_protocol.SMALL_FRAMES_PER_S,
        f"messages of a viewer in a second ({VIEWER_MESSAGES_AT_ONCE} at once)": VIEWER_MESSAGES_PER_S,
        "bytes in a row of a live container that hold no audio": MAX_SILENT_BYTES,
    }
    assert f"(of a container: {MAX_INGEST_LOG_BYTES // 1024**2} MiB)" in PROSE
    assert f"up to {MAX_SILENT_BYTES // 1024**2} MiB in a row" in PROSE
    assert f"{MAX_EARLY_CHUNKS} chunks ({MAX_EARLY_BYTES // 1024**2} MiB)" in PROSE
    assert f"{LINES} lines of {LINE_CHARS} characters".replace("2 lines", "two lines") in PROSE
    assert f"last {MAX_EVENTS_KEPT} events" in PROSE
    assert JOB_TTL_S == 24 * SESSION_TTL_S == 24 * 3600
    assert "kept for 24 hours" in PROSE
    assert "a failed or cancelled job for one hour" in PROSE
    assert FAILED_JOB_TTL_S == SESSION_TTL_S
    assert f"newest {MAX_ENDED_KEPT:,}" in PROSE
    assert f"events stay for {['five'][ENDED_SESSION_TTL_S // 60 - 5]} minutes" in PROSE
    assert "an hour after the last one" in PROSE
