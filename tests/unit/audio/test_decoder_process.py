"""A file's decoder in a process of its own: the same frames, limits of its own, and a death that nobody shares."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from support.encoders import damaged_mp4, encoded

from stt_audio.files.decoder import FileDecoder
from stt_audio.files.decoder_process import DecoderProcess
from stt_audio.isolation.limits import LEAST_SPEED, MAX_MEMORY_BYTES, OPEN_CPU_S
from stt_audio.isolation.process import DecoderLost
from stt_shared.contracts.errors import SttError

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and signals are those of Linux"),
]

LONG = 10**9
FORMATS = {
    "wav": ("wav", "pcm_s16le"),
    "flac": ("flac", "flac"),
    "mp3": ("mp3", "libmp3lame"),
    "webm": ("webm", "libopus"),
    "mp4": ("mp4", "aac"),
}


def noise(duration_s: float) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    return np.random.default_rng(1).uniform(-0.1, 0.1, int(16000 * duration_s)).astype(np.float32)


def frames_of(decoder: DecoderProcess | FileDecoder) -> list[bytes]:
    return list(iter(decoder.read, b""))


def until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    return tmp_path / "upload"


@pytest.fixture
def decoder(upload: Path) -> Iterator[DecoderProcess]:
    decoder = DecoderProcess(upload, LONG)
    yield decoder
    decoder.close()


def pid_of(decoder: DecoderProcess) -> int:
    until(lambda: decoder._process.pid is not None)
    assert decoder._process.pid is not None
    return decoder._process.pid


@pytest.mark.parametrize("name", FORMATS)
def test_the_frames_are_those_of_the_decoder(name: str, upload: Path, decoder: DecoderProcess) -> None:
    upload.write_bytes(encoded(noise(3.3), *FORMATS[name]))
    with FileDecoder(upload, LONG) as here:
        expected, total, found = frames_of(here), here.total_samples, here.found
    decoder.open()
    assert decoder.total_samples == total
    assert frames_of(decoder) == expected
    assert decoder.found == found


def test_a_damaged_end_is_reported(upload: Path, decoder: DecoderProcess) -> None:
    upload.write_bytes(damaged_mp4(10))
    with FileDecoder(upload, LONG) as here:
        expected, found = frames_of(here), here.found
    decoder.open()
    assert frames_of(decoder) == expected
    assert decoder.found == found
    assert found.warnings


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "bad_audio"), (b"#EXTM3U\nx", "unsupported_media"), (b"fLaC" + bytes(500), "bad_audio")]
)
def test_a_refusal_arrives_as_it_is(content: bytes, code: str, upload: Path, decoder: DecoderProcess) -> None:
    upload.write_bytes(content)
    with pytest.raises(SttError) as expected:
        FileDecoder(upload, LONG)
    with pytest.raises(SttError) as refused:
        decoder.open()
    assert (refused.value.code, refused.value.message) == (code, expected.value.message)


def test_a_missing_file_is_an_os_error(decoder: DecoderProcess) -> None:
    with pytest.raises(OSError, match="No such file"):
        decoder.open()


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        (signal.SIGSEGV, "bad_audio", r"the file crashes its decoder \(SIGSEGV\)"),
        (signal.SIGABRT, "bad_audio", r"the file crashes its decoder \(SIGABRT\)"),
        (signal.SIGXCPU, "too_large", "far more time than"),
    ],
)
def test_a_death_by_the_file_is_the_files_error(
    fault: signal.Signals, code: str, message: str, upload: Path, decoder: DecoderProcess
) -> None:
    os.mkfifo(upload)  # opening it takes for ever
    with ThreadPoolExecutor(1) as thread:
        opening = thread.submit(decoder.open)
        os.kill(pid_of(decoder), fault)
        with pytest.raises(SttError, match=message) as died:
            opening.result(20)
    assert died.value.code == code


def test_a_death_from_outside_is_not(upload: Path, decoder: DecoderProcess) -> None:
    os.mkfifo(upload)
    with ThreadPoolExecutor(1) as thread:
        opening = thread.submit(decoder.open)
        os.kill(pid_of(decoder), signal.SIGKILL)
        with pytest.raises(DecoderLost, match="exit code -9"):
            opening.result(20)


def test_ctrl_c_leaves_its_end_to_the_replica(upload: Path, decoder: DecoderProcess) -> None:
    upload.write_bytes(encoded(noise(30), "wav", "pcm_s16le", 16000))
    decoder.open()
    os.kill(pid_of(decoder), signal.SIGINT)
    assert len(frames_of(decoder)) == 30


def test_it_can_be_killed_while_it_opens_the_file(upload: Path, decoder: DecoderProcess) -> None:
    os.mkfifo(upload)
    with ThreadPoolExecutor(1) as thread:
        opening = thread.submit(decoder.open)
        pid = pid_of(decoder)
        decoder.kill()
        with pytest.raises(DecoderLost):
            opening.result(20)
    assert not psutil.pid_exists(pid)


def test_one_that_is_killed_before_its_start_ends_too(upload: Path, decoder: DecoderProcess) -> None:
    os.mkfifo(upload)
    decoder.kill()
    with pytest.raises(DecoderLost):
        decoder.open()


REPLICA = """
import sys, threading
from pathlib import Path
from stt_audio.files.decoder_process import DecoderProcess

if __name__ == "__main__":
    decoder = DecoderProcess(Path(sys.argv[1]), 10**9)
    threading.Thread(target=decoder.open, daemon=True).start()
    while decoder._process.pid is None:
        pass
    print(decoder._process.pid, flush=True)
    input()
"""


def test_it_dies_with_its_replica(upload: Path, tmp_path: Path) -> None:
    os.mkfifo(upload)
    (tmp_path / "replica.py").write_text(REPLICA)
    command = [sys.executable, str(tmp_path / "replica.py"), str(upload)]
    replica = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with replica:
        assert replica.stdout is not None
        pid = int(replica.stdout.readline())
        assert psutil.pid_exists(pid)
        replica.kill()
    until(lambda: not psutil.pid_exists(pid))


def limit_of(pid: int, name: str) -> int:
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return int(next(line for line in limits if line.startswith(name)).removeprefix(name).split()[0])


def test_it_has_limits_of_its_own(upload: Path, decoder: DecoderProcess) -> None:
    upload.write_bytes(encoded(noise(60), "wav", "pcm_s16le", 16000))
    decoder.open()
    pid = pid_of(decoder)
    data_kib = int(Path(f"/proc/{pid}/status").read_text().partition("VmData:")[2].split()[0])
    assert 0 < limit_of(pid, "Max data size") - (data_kib << 10) <= MAX_MEMORY_BYTES
    assert limit_of(pid, "Max cpu time") == OPEN_CPU_S + 60 // LEAST_SPEED
    assert limit_of(pid, "Max core file size") == 0
    assert limit_of(pid, "Max file size") == 0
    assert Path(f"/proc/{pid}/oom_score_adj").read_text().strip() == "1000"
    assert psutil.Process(pid).nice() == min(19, psutil.Process().nice() + 14)


def test_it_has_no_network_and_writes_no_file(upload: Path, decoder: DecoderProcess, tmp_path: Path) -> None:
    attempt = """
import os, socket, sys
from stt_audio.isolation.limits import leave_network, limit_this_process
if not leave_network():
    sys.exit(77)
limit_this_process(0)
for address in (("127.0.0.1", int(sys.argv[1])), ("198.51.100.1", 80)):
    try:
        socket.create_connection(address, timeout=2)
    except OSError as error:
        print(type(error).__name__)
try:
    os.write(os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY), b"audio")
except OSError as error:
    print(error.strerror)
"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-c", attempt, str(listener.getsockname()[1]), str(tmp_path / "leak")]
        tried = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if tried.returncode == 77:
            pytest.skip("this system lets nobody leave the network")
        assert tried.stdout.splitlines() == ["OSError", "OSError", "File too large"], tried.stderr
    upload.write_bytes(encoded(noise(60), "wav", "pcm_s16le", 16000))
    decoder.open()
    own = os.readlink("/proc/self/ns/net")
    assert os.readlink(f"/proc/{pid_of(decoder)}/ns/net") != own
