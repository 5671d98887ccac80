"""Log lines: one JSON object each, without what people said or sent."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stt_gateway.store.engine import database_url, open_engine

pytestmark = pytest.mark.unit

SECRET = "tell nobody"


def logged(code: str, level: str = "DEBUG") -> list[dict[str, Any]]:
    """The lines of a process that logs as a service does."""
    before = f"""
import logging
import structlog
from stt_shared.process.logging import set_up_logging
set_up_logging("test", {level!r})
log = structlog.get_logger()
secret = {SECRET!r}
"""
    done = subprocess.run([sys.executable, "-c", before + code], capture_output=True, text=True, check=True, timeout=30)
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize("call", ["log.exception('failed')", "logging.getLogger('uvicorn.error').exception('failed')"])
def test_a_traceback_names_places_and_no_values(call: str) -> None:
    (line,) = logged(f"""
def handler(header, body):
    prompt = secret
    raise ValueError("a mistake")
try:
    handler({{"authorization": secret}}, secret.encode())
except ValueError:
    {call}
""")
    (stack,) = line["exception"]
    assert (stack["exc_type"], stack["exc_value"]) == ("ValueError", "a mistake")
    assert [frame["name"] for frame in stack["frames"]] == ["<module>", "handler"]
    assert SECRET not in json.dumps(line)


def test_a_key_or_a_token_that_is_logged_by_mistake_is_hidden() -> None:
    key, token = "stt_abcdefghijkl_" + "S" * 43, "stt1.e30.SSSS-SS_S"
    entries = logged(f"""
log.info("used {key}", key="{key}", given={{"tokens": ["{token}", 1]}})
logging.getLogger("library").warning("refused %s", "{token}")
try:
    raise ValueError("bad {key}")
except ValueError:
    log.exception("failed")
""")
    assert "SSSS" not in json.dumps(entries)
    assert entries[0]["event"] == "used stt_abcdefghijkl_***"
    assert entries[0]["given"] == {"tokens": ["stt1.***", 1]}


def test_only_the_first_line_of_an_errors_message_is_logged() -> None:
    (line,) = logged("""
try:
    try:
        raise ValueError("null value in a column\\nDETAIL: failing row contains " + secret)
    except ValueError as error:
        raise ExceptionGroup("many", [error, KeyError("k" * 1000)]) from error
except ExceptionGroup:
    log.exception("failed")
""")
    assert SECRET not in json.dumps(line)
    assert "null value in a column" in json.dumps(line)
    assert "k" * 201 not in json.dumps(line)


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "ERROR"])
def test_libraries_log_from_warnings_on_at_any_level(level: str) -> None:
    names = ["aiosqlite", "sqlalchemy.engine", "httpx", "python_multipart", "websockets.server"]
    lines = logged(
        f"""
for name in {names!r}:
    foreign = logging.getLogger(name)
    foreign.debug(secret)
    foreign.info(secret)
    foreign.error("in trouble")
log.error("ours")
""",
        level,
    )
    assert [line["event"] for line in lines] == ["in trouble"] * len(names) + ["ours"]


def test_our_own_events_follow_the_level() -> None:
    assert [line["event"] for line in logged("log.debug('detail')\nlog.info('event')", "INFO")] == ["event"]


@pytest.mark.parametrize("url", [None, "postgresql://nobody@127.0.0.1/none"])
def test_errors_of_the_database_hide_what_was_to_be_stored(url: str | None, tmp_path: Path) -> None:
    engine = open_engine(database_url(url, tmp_path))
    assert engine.sync_engine.hide_parameters
