"""No audio of a live session lies on any disk: all files of the suite are watched while somebody speaks."""

import asyncio
import base64
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from chaos.oracle import Speech, speech
from chaos.talk import speak_raw
from support.gateway_harness import until
from support.process_suite import Suite, heard, running_suite, words_of

from stt_cli.up.embedded_redis import EmbeddedRedis

pytestmark = [
    pytest.mark.contract,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


def traces(spoken: Speech) -> list[bytes]:
    """Pieces of the audio as they would lie in a file: as samples, and as base64 at each of its three offsets."""
    pieces = []
    for start_ms in spoken.starts_ms.values():
        samples = spoken.samples[start_ms * 16 : start_ms * 16 + 400].tobytes()
        pieces += [samples[64:128], *(base64.b64encode(samples[offset:])[64:128] for offset in range(3))]
    return pieces


def processes(suite: Suite) -> list[psutil.Process]:
    """The three services with their children, and the Redis server of this test."""
    roots = [psutil.Process(replica.pid) for replica in suite.replicas]
    servers = [child for child in psutil.Process().children() if "valkey" in child.name() or "redis" in child.name()]
    return [*roots, *(child for root in roots for child in root.children(recursive=True)), *servers]


def written_files(process: psutil.Process) -> dict[str, Path]:
    """Files that a process has open for writing, also those without a name: name -> a path by which to read it."""
    found = {}
    folder = Path(f"/proc/{process.pid}/fd")
    for entry in folder.iterdir():
        try:
            name = os.readlink(entry)
            flags = int((folder.parent / "fdinfo" / entry.name).read_text().split("flags:\t")[1].split()[0], 8)
        except OSError:
            continue
        if name.startswith(("/", "/memfd:")) and not name.startswith("/dev/") and flags & (os.O_WRONLY | os.O_RDWR):
            found[name] = entry
    return found


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files whose path is short enough for the sockets that Python puts there."""
    with tempfile.TemporaryDirectory(prefix="stt-") as folder:
        yield Path(folder)


async def test_no_audio_of_a_live_session_reaches_a_disk(tmp_path: Path, temporary: Path) -> None:
    spoken = speech([12] * 3, [500, 900, 900])
    pieces = traces(spoken)
    seen: set[str] = set()

    def look(suite: Suite) -> None:
        files = {str(path): path for folder in (tmp_path, temporary) for path in folder.rglob("*") if path.is_file()}
        for process in processes(suite):
            files |= written_files(process)
        for name, path in files.items():
            seen.add(name)
            content = path.read_bytes() if path.exists() else b""
            assert not any(piece in content for piece in pieces), name

    with EmbeddedRedis() as server:
        env = {"TMPDIR": str(temporary), "LOG_LEVEL": "DEBUG"}
        async with running_suite(tmp_path, server.url, **env) as suite:
            talk = suite.talk("private", spoken)
            talking = asyncio.create_task(speak_raw(talk))
            await until(lambda: talk.sent_ms >= 500 or talk.ended, 30)
            while not talking.done():
                await asyncio.to_thread(look, suite)
                await asyncio.sleep(0.1)
            await talking
            await asyncio.to_thread(look, suite)
            assert (talk.cause, heard(talk)) == ("", words_of(spoken))
            assert not list((tmp_path / "spool").iterdir())
            for process in processes(suite)[: len(suite.replicas)]:
                # A crash would leave the audio in memory as a file.
                limits = Path(f"/proc/{process.pid}/limits").read_text()
                assert limits.partition("Max core file size")[2].split()[:2] == ["0", "0"]
            assert any(name.endswith("transcripts.db") for name in seen), "the databases and logs were looked at"
            assert any(name.endswith(".log") for name in seen)
            # It would be found: a file with it is.
            leaked = temporary / "leaked.pcm"
            leaked.write_bytes(spoken.samples.tobytes())
            with pytest.raises(AssertionError, match="leaked"):
                look(suite)
