"""The supervisor and its children, with real short-lived processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stt_cli.up.child import Child, ChildSpec, describe_exit
from stt_cli.up.supervisor import Backoff, Supervisor

pytestmark = pytest.mark.unit

SLEEPS = "import time; time.sleep(60)"


def spec(name: str, code: str, *arguments: str) -> ChildSpec:
    return ChildSpec(name, (sys.executable, "-S", "-c", code, *arguments), dict(os.environ))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.01)


def ignore(name: str, line: str) -> None:
    pass


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="needs priorities of processes")
def test_a_child_steps_back_as_far_as_it_is_told() -> None:
    said: list[str] = []
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    code = "import os, sys; print(os.getpriority(os.PRIO_PROCESS, 0), file=sys.stderr)"
    for niceness in (0, 3):
        child = Child(
            ChildSpec("a", (sys.executable, "-S", "-c", code), dict(os.environ), niceness=niceness),
            lambda _, line: said.append(line),
        )
        until(lambda child=child: child.exit_code is not None)  # type: ignore[misc]
        child.kill()
    assert said == [str(mine), str(min(19, mine + 3))]


def test_pauses_double_up_to_the_longest_and_start_again_after_a_steady_life() -> None:
    backoff = Backoff()
    assert [backoff.after(1.0) for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert backoff.after(30.0) == 0.2
    assert backoff.after(1.0) == 0.4


def test_a_child_that_dies_comes_back_after_its_pause_and_not_before() -> None:
    clock = [0.0]
    suite = Supervisor([[spec("a", SLEEPS)]], ignore, now=lambda: clock[0])
    suite.start()
    try:
        first = suite.pids()["a"]
        os.kill(first, signal.SIGKILL)
        ended = []
        until(lambda: bool(ended.extend(suite.poll()) or ended))
        assert str(ended[0]) == "a ended (signal SIGKILL); starting it again in 0.2 s"
        assert suite.poll() == []
        assert suite.pids() == {}
        clock[0] = 0.21
        suite.poll()
        second = suite.pids()["a"]
        assert second != first
        assert is_running(second)
    finally:
        suite.stop(grace_s=5)


def test_the_last_words_of_a_child_explain_its_end() -> None:
    suite = Supervisor([[spec("a", "import sys; print('no such model', file=sys.stderr); sys.exit(3)")]], ignore)
    suite.start()
    try:
        ended = []
        until(lambda: bool(ended.extend(suite.poll()) or ended))
        assert (ended[0].exit_code, ended[0].tail) == (3, ["no such model"])
    finally:
        suite.stop(grace_s=5)


def test_groups_stop_one_after_the_other(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n"
        "    time.sleep(float(sys.argv[3]))\n"
        "    open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('up', file=sys.stderr, flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    up: list[str] = []
    # The first group is the slowest to stop: without waiting for it the others would be first.
    groups = [[spec("gateway", code, str(log), "gateway", "0.3")], [spec("audio", code, str(log), "audio", "0.1")]]
    suite = Supervisor([*groups, [spec("transcriber", code, str(log), "transcriber", "0")]], lambda n, _: up.append(n))
    suite.start()
    pids = suite.pids()
    until(lambda: len(up) == 3)
    assert suite.stop(grace_s=5) == []
    assert log.read_text().split() == ["gateway", "audio", "transcriber"]
    assert not any(is_running(pid) for pid in pids.values())


def test_who_does_not_stop_in_time_is_killed_and_named() -> None:
    code = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('up', file=sys.stderr, flush=True)\n"
    up: list[str] = []
    suite = Supervisor([[spec("deaf", code + SLEEPS)]], lambda n, _: up.append(n))
    suite.start()
    pid = suite.pids()["deaf"]
    until(lambda: bool(up))
    assert suite.stop(grace_s=0.2) == ["deaf"]
    assert not is_running(pid)


def test_in_a_hurry_nobody_is_waited_for() -> None:
    code = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('up', file=sys.stderr, flush=True)\n"
    up: list[str] = []
    suite = Supervisor([[spec("deaf", code + SLEEPS)]], lambda n, _: up.append(n))
    suite.start()
    until(lambda: bool(up))
    began = time.monotonic()
    assert suite.stop(grace_s=60, hurry=lambda: True) == ["deaf"]
    assert time.monotonic() - began < 5


def test_what_a_child_started_goes_with_it() -> None:
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-S', '-c', {SLEEPS!r}])\n"
        "print(child.pid, file=sys.stderr, flush=True)\n"
        "time.sleep(60)\n"
    )
    said: list[str] = []
    child = Child(spec("parent", code), lambda _, line: said.append(line))
    until(lambda: bool(said))
    grandchild = int(said[0])
    assert is_running(grandchild)
    child.kill()
    until(lambda: not is_running(grandchild))


def test_children_stay_out_of_the_terminals_group() -> None:
    child = Child(spec("a", SLEEPS), ignore)
    try:
        # Else Ctrl-C would reach them before the launcher can stop them in order.
        assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
    finally:
        child.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children whose parent was killed")
def test_children_and_the_embedded_server_end_with_a_killed_parent() -> None:
    code = (
        "import os, sys, time\n"
        "from stt_cli.up.child import Child, ChildSpec\n"
        "from stt_cli.up.embedded_redis import EmbeddedRedis\n"
        "server = EmbeddedRedis(); server.start()\n"
        f"child = Child(ChildSpec('a', (sys.executable, '-S', '-c', {SLEEPS!r}), dict(os.environ)), print)\n"
        "print(server.pid, child.pid, server.url, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server, child, url = parent.stdout.readline().split()
        try:
            assert is_running(int(server))
            assert is_running(int(child))
        finally:
            parent.kill()
    until(lambda: not is_running(int(server)) and not is_running(int(child)))
    folder = Path(url.removeprefix("unix://")).parent
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_ends_are_named_as_people_know_them() -> None:
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-9) == "signal SIGKILL"
