"""The file client against a stand-in for the gateway that notes what it got."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from stt_cli.errors import CliError
from stt_cli.http.formats import Format
from stt_cli.http.jobs import jobs_client
from stt_cli.main import app

pytestmark = pytest.mark.contract

RESULT = {"text": "ever tried", "language": "en", "duration": 1.0, "segments": []}


class Gateway(http.server.BaseHTTPRequestHandler):
    """Answers with what the test laid out, in order; notes each request."""

    answers: ClassVar[list[tuple[int, Any]]] = []
    requests: ClassVar[list[tuple[str, str, bytes]]] = []

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.requests.append((self.command, self.path, body))
        status, answer = self.answers.pop(0)
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Gateway.answers.clear()
    Gateway.requests.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def view(status: str, progress: float, **more: Any) -> dict[str, Any]:
    return {"job_id": "j1", "status": status, "progress": progress, **more}


def test_a_file_goes_up_with_its_parameters_and_the_result_comes_back(url: str, tmp_path: Path) -> None:
    speech = tmp_path / "talk.mp3"
    speech.write_bytes(b"x" * 200_000)
    Gateway.answers += [
        (202, {"job_id": "j1", "status_url": "/v1/stt/jobs/j1"}),
        (200, view("queued", 0)),
        (200, view("processing", 40.5, estimated_s=45)),
        (200, view("completed", 100, result=RESULT)),
        (200, b"1\n00:00:00,000 --> 00:00:01,000\never tried\n"),
    ]
    sent: list[int] = []
    reported: list[tuple[float, int | None]] = []
    with jobs_client(url) as jobs:
        job_id = jobs.submit(speech, {"language": "en"}, sent.append)
        done = jobs.wait(job_id, lambda view: reported.append((view.progress, view.estimated_s)))
        assert jobs.result(job_id, Format.SRT).endswith("\never tried\n")
    assert Gateway.requests[-1][1] == "/v1/stt/jobs/j1/result.srt"
    assert reported == [(0, None), (40.5, 45), (100, None)]
    assert done.result is not None
    assert done.result.text == "ever tried"
    assert sent[-1] == 200_000
    # In pieces, never the whole file at once.
    assert len(sent) > 2
    method, path, body = Gateway.requests[0]
    assert (method, path) == ("POST", "/v1/stt/jobs")
    assert b'name="file"; filename="talk.mp3"' in body
    assert b"x" * 200_000 in body
    assert b'name="language"' in body


def test_a_url_is_named_to_the_suite_and_nobody_else_sees_what_is_secret_in_it(url: str, tmp_path: Path) -> None:
    secret = "https://ann:hidden@example.org/a/talk%20one.mp3?token=hidden"
    fetching = view("fetching", 0, fetched_bytes=10, total_bytes=20)
    done = (200, view("completed", 100, result=RESULT))
    Gateway.answers += [(202, {"job_id": "j1"}), (200, fetching), done, (200, b"ever tried\n")]
    command = ["transcribe", secret, "--url", url, "--language", "en", "--output", str(tmp_path)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert json.loads(Gateway.requests[0][2]) == {"language": "en", "url": secret}
    assert (tmp_path / "talk one.txt").read_text() == "ever tried\n"
    Gateway.answers.append((422, {"error": {"code": "bad_config", "message": "url is not allowed"}}))
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 1
    assert "error: talk one.mp3: url is not allowed" in refused.output
    assert "hidden" not in result.output + refused.output


def test_a_refused_upload_says_what_the_server_says(url: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"no sound")
    Gateway.answers.append((415, {"error": {"code": "unsupported_media", "message": "no audio in it"}}))
    with jobs_client(url) as jobs, pytest.raises(CliError, match=r"^no audio in it$"):
        jobs.submit(tmp_path / "a.txt", {}, lambda _: None)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (view("failed", 10, error={"code": "bad_audio", "message": "cut short"}), "^cut short$"),
        (view("cancelled", 10), "^the job was cancelled$"),
        ({"job_id": "j1"}, "does not answer as this suite does"),
    ],
)
def test_a_job_that_comes_to_nothing_says_why(url: str, answer: object, said: str) -> None:
    Gateway.answers.append((200, answer))
    with jobs_client(url) as jobs, pytest.raises(CliError, match=said):
        jobs.wait("j1", lambda _: None)


def test_giving_a_job_up_destroys_nothing(url: str) -> None:
    Gateway.answers.append((200, view("completed", 100, result=RESULT)))
    with jobs_client(url) as jobs:
        jobs.cancel("j1")
    assert Gateway.requests[-1][:2] == ("POST", "/v1/stt/jobs/j1/cancel")


def test_what_is_no_suite_is_told_by_its_status(url: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    Gateway.answers.append((502, b"<html>bad gateway</html>"))
    with jobs_client(url) as jobs, pytest.raises(CliError, match="the server answered 502 Bad Gateway"):
        jobs.submit(tmp_path / "a.wav", {}, lambda _: None)


def test_nobody_there(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with jobs_client("http://127.0.0.1:1") as jobs, pytest.raises(CliError, match="no answer from"):
        jobs.submit(tmp_path / "a.wav", {}, lambda _: None)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with (
        jobs_client("http://127.0.0.1:1") as jobs,
        pytest.raises(CliError, match=r"^cannot be read: No such file or directory$"),
    ):
        jobs.submit(tmp_path / "gone.wav", {}, lambda _: None)


def answers_to_a_file(text: bytes, *warnings: dict[str, Any], **more: Any) -> list[tuple[int, Any]]:
    done = view("completed", 100, result={**RESULT, "warnings": list(warnings), **more})
    return [(202, {"job_id": "j1"}), (200, done), (200, text)]


def test_what_is_missing_from_a_transcript_is_told_for_each_file(url: str, tmp_path: Path) -> None:
    names = ("[bold]cut.wav", "whole.wav", "damaged.wav")
    for name in names:
        (tmp_path / name).write_bytes(b"RIFF")
    ends = "the file ends after 12.0 s; it should be 60.0 s long"
    jumps = "the time stamps jump by 90000 s after 3.0 s; later times do not include the jump"
    damaged = "the file is damaged after 123.4 s"
    Gateway.answers += [
        *answers_to_a_file(
            b"one\n", {"code": "cut_off", "message": ends, "start": 12.0}, {"code": "time_jump", "message": jumps}
        ),
        *answers_to_a_file(b"two\n", unrecognized=[{"start": 1.5, "end": 4.25}]),
        *answers_to_a_file(b"three\n", {"code": "damaged", "message": damaged, "start": 123.4, "end": 300.0}),
    ]
    files = [str(tmp_path / name) for name in names]
    result = CliRunner().invoke(app, ["transcribe", *files, "--url", url])
    assert result.exit_code == 0, result.output
    assert result.stdout == "".join(
        f"==> {file} <==\n{text}\n" for file, text in zip(files, ("one", "two", "three"), strict=True)
    )
    assert result.stderr.splitlines() == [
        f"warning: {files[0]}: {ends}",
        f"warning: {files[0]}: {jumps}",
        f"warning: {files[1]}: speech from 1.5 to 4.2 s was not recognized",
        f"warning: {files[2]}: {damaged}",
    ]


@pytest.mark.parametrize(("given", "sent"), [(["--track", "2"], b'name="track"\r\n\r\n2\r\n'), ([], None)])
def test_a_track_is_requested_as_the_protocol_has_it(
    url: str, tmp_path: Path, given: list[str], sent: bytes | None
) -> None:
    (tmp_path / "film.mkv").write_bytes(b"RIFF")
    Gateway.answers += answers_to_a_file(b"one\n")
    assert CliRunner().invoke(app, ["transcribe", str(tmp_path / "film.mkv"), "--url", url, *given]).exit_code == 0
    body = Gateway.requests[0][2]
    assert sent in body if sent else b'name="track"' not in body
