"""Log lines of the services: all in files, warnings on the console."""

import json
from pathlib import Path

import pytest

from stt_cli.up.log_sink import LogSink, for_console

pytestmark = pytest.mark.unit


def test_the_console_shows_warnings_and_what_is_no_json() -> None:
    assert for_console("gateway 1", json.dumps({"event": "session opened", "level": "info"})) is None
    warning = {"event": "heartbeat failed", "level": "warning", "service": "x", "timestamp": "t", "cause": "refused"}
    assert for_console("gateway 1", json.dumps(warning)) == "[gateway 1] warning: heartbeat failed cause=refused"
    crash = {"event": "failed", "level": "error", "exception": [{"exc_type": "ValueError", "exc_value": "bad"}]}
    assert for_console("gateway 1", json.dumps(crash)) == "[gateway 1] error: failed (ValueError: bad)"
    assert for_console("gateway 1", "Segmentation fault") == "[gateway 1] Segmentation fault"


def test_every_line_is_kept_and_only_warnings_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sink = LogSink(tmp_path, verbose=False)
    sink.write("gateway 1", '{"event":"a","level":"info"}')
    sink.write("gateway 1", '{"event":"b","level":"warning"}')
    assert (tmp_path / "gateway-1.log").read_text().count("\n") == 2
    assert capsys.readouterr().err == "[gateway 1] warning: b\n"
    LogSink(tmp_path, verbose=True).write("gateway 1", '{"event":"a","level":"info"}')
    assert capsys.readouterr().err == '{"event":"a","level":"info"}\n'
