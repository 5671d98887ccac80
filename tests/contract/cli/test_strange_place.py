"""Random user id, no home, read-only root, no IPv4, a proxy for everything, a full disk: it works, or says why not."""

import io
import wave
from typing import Any

import pytest
from support.strange_place import SPOOL_BYTES, is_possible_here, visit

pytestmark = [
    pytest.mark.contract,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not is_possible_here(), reason="needs Linux, root and namespaces"),
]


def wav(seconds: float) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x00\x20\x00\xe0" * int(seconds * 8000))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return visit(short=wav(2), long=wav(1 + SPOOL_BYTES / 32_000))


def test_the_suite_runs_and_its_commands_reach_it(found: dict[str, Any]) -> None:
    assert found["ready"].startswith("Ready: http://[::1]:")
    for name in ("health", "transcribe", "stream", "keys"):
        assert found[name]["status"] == 0, (name, found[name])
    assert found["status"] == 0


def test_a_user_without_a_home_is_told_what_to_set(found: dict[str, Any]) -> None:
    told = found["without DATA_DIR"]
    assert (told["status"], told["err"]) == (1, "error: DATA_DIR=/.local/share/stt-suite: Read-only file system\n")


def test_a_full_disk_is_told(found: dict[str, Any]) -> None:
    told = found["too large"]
    assert told["status"] == 1
    assert "no room" in told["err"]
    assert "Traceback" not in told["err"]


def test_a_proxy_gets_downloads_and_nothing_of_this_machine(found: dict[str, Any]) -> None:
    assert found["locally asked"] == []
    assert "CONNECT huggingface.co:443 HTTP/1.1" in found["asked"]
    told = found["pull"]
    assert told["status"] == 1
    assert told["err"].count("\n") == 1, told["err"]
