"""Examples of README.md, client/README.md and client-js/README.md, unchanged, on the running suite."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from support import encoders, node, recordings
from support.launched_suite import Suite
from support.live_client import words
from support.recordings import BECKETT_TEXT

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
README, CLIENT = ROOT / "README.md", ROOT / "client" / "README.md"
ADDRESS = "127.0.0.1:8000"


def shown(path: Path, language: str) -> list[str]:
    """The document's blocks of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


PROGRAMS = [
    pytest.param(program, id=f"{path.parent.name} {number}")
    for path in (README, CLIENT)
    for number, program in enumerate(shown(path, "python"), 1)
]
# What starts a suite of its own is not for the one that runs.
COMMANDS = [
    line for block in shown(README, "sh") for line in block.splitlines() if "/stt " in line and "make run" not in line
]


@pytest.fixture
def folder(tmp_path: Path, beckett: NDArray[np.float32]) -> Path:
    """The clone as far as the commands see it, with a recording."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "stt").symlink_to(Path(sys.executable).parent / "stt")
    shutil.copy(recordings.beckett_path(), tmp_path / "talk.wav")
    (tmp_path / "talk.mp3").write_bytes(encoders.encoded(beckett, "mp3", "libmp3lame"))
    (manifest,) = shown(README, "json")
    row = json.loads(manifest)
    assert (tmp_path / row["path"]).exists()
    (tmp_path / "speech.jsonl").write_text(json.dumps({**row, "text": BECKETT_TEXT}) + "\n")
    return tmp_path


def run(command: list[str], folder: Path, suite: Suite) -> str:
    result = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "STT_URL": suite.url},
        capture_output=True,
        text=True,
        timeout=90,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


def assert_right(text: str) -> None:
    """All words, but for one that a tiny model may mishear."""
    expected, got = words(BECKETT_TEXT), words(text)
    assert len(got) == len(expected), text
    assert sum(a != b for a, b in zip(got, expected, strict=True)) <= 1, text


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_prints_what_is_said(program: str, suite: Suite, folder: Path) -> None:
    program = program.replace(ADDRESS, urlsplit(suite.url).netloc)
    assert_right(run([sys.executable, "-W", "error", "-c", program, "talk.wav"], folder, suite))


def test_the_program_for_node_prints_what_is_said(suite: Suite, folder: Path) -> None:
    program, with_ws = shown(ROOT / "client-js" / "README.md", "js")
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "stt-client").symlink_to(ROOT / "client-js")
    (folder / "live.mjs").write_text(program.replace(ADDRESS, urlsplit(suite.url).netloc))
    assert_right(run([*node.with_websocket(), "live.mjs", "talk.wav"], folder, suite))
    # On Node 20 as it is, with what opens its sockets.
    node.npm(folder, "ws@^8", "stt-client@file:" + str(ROOT / "client-js"))
    opening, connecting = with_ws.rsplit("const session", 1)
    assert "{ openSocket }" in connecting
    program = program.replace("{ sampleRate:", "{ openSocket, sampleRate:")
    (folder / "live.mjs").write_text(opening + program.replace(ADDRESS, urlsplit(suite.url).netloc))
    assert_right(run([node.node(), "live.mjs", "talk.wav"], folder, suite))


def test_there_are_programs_and_commands() -> None:
    assert len(PROGRAMS) == 3
    assert [line.split()[1] for line in COMMANDS] == ["transcribe", "stream", "health", "bench"]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_works(line: str, suite: Suite, folder: Path) -> None:
    command = line.split("#")[0].strip()
    if " bench " in command:
        command += " --seconds 5"  # of its minute
    out = run(["sh", "-c", command], folder, suite)
    if " stream " in command:
        assert_right(out)
    elif " transcribe " in command:
        assert_right(" ".join(re.findall(r"^[A-Za-z].*$", out, re.MULTILINE)))
    elif " bench " in command:
        assert json.loads(out)
