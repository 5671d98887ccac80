"""`stt watch` against a stand-in for the gateway, started again and again as after a crash."""

import http.server
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stt_cli.commands import watch
from stt_cli.main import app
from stt_cli.watch.memory import MEMORY_NAME

pytestmark = pytest.mark.contract


class Suite:
    """``refusals``: statuses with which the next uploads are refused. ``broken``: names whose jobs fail."""

    def __init__(self) -> None:
        self.uploads: list[str] = []
        self.keys: list[str] = []
        self.jobs: dict[str, str] = {}
        self.refusals: list[int] = []
        self.broken: set[str] = set()
        suite = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if suite.refusals:
                    self.answer(suite.refusals.pop(0), {"error": {"code": "x", "message": "not now"}})
                    return
                found = re.search(rb'filename="([^"]*)"', body)
                assert found
                name = found[1].decode()
                suite.uploads.append(name)
                suite.keys.append(self.headers["idempotency-key"])
                job_id = f"j{len(suite.uploads)}"
                suite.jobs[job_id] = name
                self.answer(202, {"job_id": job_id})

            def do_GET(self) -> None:
                job_id = self.path.split("/")[4]
                if job_id not in suite.jobs:
                    self.answer(404, {"error": {"code": "not_found", "message": "no such job"}})
                elif "result" in self.path:
                    self.answer(200, f"words of {suite.jobs[job_id]}\n")
                elif suite.jobs[job_id] in suite.broken:
                    error = {"code": "bad_audio", "message": "no audio in it"}
                    self.answer(200, {"job_id": job_id, "status": "failed", "progress": 0.0, "error": error})
                else:
                    self.answer(200, {"job_id": job_id, "status": "completed", "progress": 100.0})

            def answer(self, status: int, body: Any) -> None:
                raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def suite() -> Iterator[Suite]:
    found = Suite()
    serving = threading.Thread(target=found.server.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    serving.join()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(watch, "AGAIN_S", 0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "recordings"
    found.mkdir()
    return found


def run(suite: Suite, folder: Path, *options: str) -> tuple[int, str]:
    command = ["watch", str(folder), "--once", "--settle", "0.1", "--url", suite.url, *options]
    done = CliRunner().invoke(app, command)
    return done.exit_code, done.output


def test_each_file_is_transcribed_once_and_its_result_lies_beside_it(suite: Suite, folder: Path) -> None:
    (folder / "a.mp3").write_bytes(b"1")
    (folder / "b.wav").write_bytes(b"2")
    code, output = run(suite, folder)
    assert code == 0, output
    assert (folder / "a.txt").read_text() == "words of a.mp3\n"
    assert (folder / "b.txt").read_text() == "words of b.wav\n"
    assert run(suite, folder)[0] == 0
    assert suite.uploads == ["a.mp3", "b.wav"]
    (folder / "c.mp3").write_bytes(b"3")
    assert run(suite, folder)[0] == 0
    assert suite.uploads == ["a.mp3", "b.wav", "c.mp3"]


def test_results_may_go_elsewhere_and_none_takes_another_ones_name(suite: Suite, folder: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    (folder / "talk.mp3").write_bytes(b"1")
    (folder / "talk.wav").write_bytes(b"2")
    code, output = run(suite, folder, "--output-dir", str(results), "--format", "srt")
    assert code == 0, output
    assert sorted(path.name for path in results.iterdir()) == [MEMORY_NAME, "talk.srt", "talk.wav.srt"]
    assert (results / "talk.wav.srt").read_text() == "words of talk.wav\n"
    assert sorted(path.name for path in folder.iterdir()) == ["talk.mp3", "talk.wav"]


def test_somebody_elses_file_is_not_overwritten(suite: Suite, folder: Path) -> None:
    (folder / "talk.mp3").write_bytes(b"1")
    (folder / "talk.txt").write_text("my notes")
    assert run(suite, folder)[0] == 0
    assert (folder / "talk.txt").read_text() == "my notes"
    assert (folder / "talk.mp3.txt").read_text() == "words of talk.mp3\n"


def test_a_file_that_changed_is_transcribed_again_into_the_same_result(suite: Suite, folder: Path) -> None:
    (folder / "a.mp3").write_bytes(b"1")
    run(suite, folder)
    (folder / "a.mp3").write_bytes(b"longer")
    run(suite, folder)
    assert suite.uploads == ["a.mp3", "a.mp3"]
    assert suite.keys[0] != suite.keys[1]
    assert sorted(path.name for path in folder.iterdir()) == [MEMORY_NAME, "a.mp3", "a.txt"]


def test_a_job_that_was_under_way_is_waited_for_after_a_restart(
    suite: Suite, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.mp3").write_bytes(b"1")
    with monkeypatch.context() as dying:
        dying.setattr("stt_cli.http.jobs.JobsClient.wait", _dies)
        assert run(suite, folder)[0] != 0
    assert not (folder / "a.txt").exists()
    assert run(suite, folder)[0] == 0
    assert (folder / "a.txt").read_text() == "words of a.mp3\n"
    assert suite.uploads == ["a.mp3"], "it is not sent again"


def test_an_upload_whose_answer_was_lost_is_repeated_as_the_same_request(suite: Suite, folder: Path) -> None:
    (folder / "a.mp3").write_bytes(b"1")
    run(suite, folder)
    os.remove(folder / MEMORY_NAME)
    os.remove(folder / "a.txt")
    run(suite, folder)
    assert len(suite.keys) == 2
    assert suite.keys[0] == suite.keys[1]


def test_a_job_that_the_suite_has_forgotten_is_sent_again(
    suite: Suite, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.mp3").write_bytes(b"1")
    with monkeypatch.context() as dying:
        dying.setattr("stt_cli.http.jobs.JobsClient.wait", _dies)
        run(suite, folder)
    suite.jobs.clear()
    assert run(suite, folder)[0] == 0
    assert suite.uploads == ["a.mp3", "a.mp3"]


def test_a_file_that_fails_is_told_and_left_alone_until_it_changes(suite: Suite, folder: Path) -> None:
    (folder / "a.mp3").write_bytes(b"1")
    (folder / "b.doc").write_bytes(b"2")
    suite.broken = {"b.doc"}
    code, output = run(suite, folder)
    assert code == 1
    assert "no audio in it" in output
    assert (folder / "a.txt").exists()
    run(suite, folder)
    assert suite.uploads == ["a.mp3", "b.doc"]
    suite.broken = set()
    (folder / "b.doc").write_bytes(b"better")
    assert run(suite, folder)[0] == 0
    assert (folder / "b.txt").exists()


def test_a_full_suite_is_waited_for(suite: Suite, folder: Path) -> None:
    (folder / "a.mp3").write_bytes(b"1")
    suite.refusals = [503, 429]
    code, output = run(suite, folder)
    assert code == 0
    assert output.count("waiting: not now") == 2
    assert (folder / "a.txt").exists()


def test_a_request_that_is_refused_whatever_the_file_ends_the_command(suite: Suite, folder: Path) -> None:
    (folder / "a.mp3").write_bytes(b"1")
    suite.refusals = [401]
    assert run(suite, folder)[0] == 1
    assert run(suite, folder)[0] == 0, "the file was not given up"


def test_a_damaged_memory_and_no_folder_are_one_line(suite: Suite, folder: Path) -> None:
    (folder / MEMORY_NAME).write_text("{")
    code, output = run(suite, folder)
    assert code == 1
    assert "damaged" in output
    assert run(suite, folder / "nowhere")[0] == 2


def _dies(*_: object) -> None:
    raise KeyboardInterrupt
