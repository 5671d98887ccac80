"""CPU and memory of a suite's processes, and how they are found."""

import asyncio
import socket
import subprocess
import sys

import pytest

from stt_cli.bench.processes import ProcessTree, local_launcher
from stt_cli.errors import CliError

pytestmark = pytest.mark.unit


async def test_a_process_tree_counts_the_cpu_of_children() -> None:
    busy = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.4: pass\nprint(flush=True); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", parent, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    async with ProcessTree(process.pid).measured() as usage:
        await process.stdout.readline()
    await process.communicate(b"\n")
    assert 0.3 <= usage.cpu_s < 2
    assert usage.peak_bytes > 1e6
    with pytest.raises(CliError, match="no process"):
        ProcessTree(2**22 + 1)


async def test_the_launcher_is_found_by_the_socket_that_its_gateway_inherited() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        gateway = "input()"
        fd = listener.fileno()
        starts = f"[sys.executable, '-c', {gateway!r}], pass_fds=({fd},)"
        launcher = f"import subprocess, sys; subprocess.run({starts})"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", launcher, stdin=subprocess.PIPE, pass_fds=(fd,)
        )
        listener.close()
        async with asyncio.timeout(10):
            while local_launcher(url) is None:
                await asyncio.sleep(0.05)
        assert local_launcher(url) == process.pid
        await process.communicate(b"\n")


def test_a_suite_elsewhere_has_no_process_here() -> None:
    assert local_launcher("http://stt.example:8000") is None
    assert local_launcher("http://127.0.0.1:1") is None
