"""The parts of `stt bench` around the score: manifest, stability, processes, report, and what a user is told."""

import asyncio
import io
import json
import socket
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from stt_cli.bench import packages
from stt_cli.bench.manifest import SpokenWord, Utterance, deal, read_manifest
from stt_cli.bench.player import Session
from stt_cli.bench.processes import ProcessTree, Usage, local_launcher
from stt_cli.bench.report import tables
from stt_cli.bench.run import Plan, figures
from stt_cli.bench.score import Played
from stt_cli.bench.screen import Screen
from stt_cli.bench.stability import StabilityWatch
from stt_cli.errors import CliError
from stt_cli.main import app

pytestmark = pytest.mark.unit


def write_wav(path: Path, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(round(32_000 * seconds)))


def manifest(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def utterance(name: str, seconds: float = 1.0, text: str = "one") -> Utterance:
    return Utterance(Path(name), text, (), bytes(round(32_000 * seconds)))


def test_a_manifest_names_recordings_from_its_own_folder(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 0.5)
    rows = (
        {"path": "a.wav", "text": "one two", "words": [["one", 0.1, 0.2], ["two", 0.2, 0.4]], "lang": "en", "id": 1},
        "",
        {"path": "a.wav", "text": "three"},
        {"path": "missing.wav", "text": None, "lang": "en"},
        {"path": "missing.wav", "text": "vier", "lang": "de"},
        {"path": "missing.wav", "text": "four", "lang": "en", "kind": "long"},
    )
    first, second = read_manifest(manifest(tmp_path, *rows), "en")
    assert first.words == (SpokenWord("one", 0.1, 0.2), SpokenWord("two", 0.2, 0.4))
    assert (first.duration_s, second.text, second.words) == (0.5, "three", ())


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["not json"], "line 1"),
        ([{"text": "no path"}], "line 1"),
        ([{"path": "a.wav", "text": "one", "words": [["one", 0.1]]}], "line 1"),
        ([{"path": "a.wav", "text": "uno", "lang": "es"}], "names no recording with a text in en"),
        ([{"path": "gone.wav", "text": "one"}], "gone.wav"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_by_name(tmp_path: Path, rows: list[Any], told: str) -> None:
    with pytest.raises(CliError, match=told):
        read_manifest(manifest(tmp_path, *rows), "en")


def test_sessions_play_the_same_order_again_with_the_same_seed_and_other_orders_beside_each_other() -> None:
    given = [utterance(f"{number}.wav") for number in range(6)]
    hands = deal(given, sessions=3, seconds=30, gap_s=1.5, seed=7)
    assert hands == deal(given, sessions=3, seconds=30, gap_s=1.5, seed=7)
    assert hands[0] != hands[1] != hands[2]
    # 2.5 s each: twelve fill half a minute, every recording twice.
    assert [len(hand) for hand in hands] == [12, 12, 12]
    assert sorted(hands[0], key=str)[::2] == given


def test_stable_text_may_grow_but_not_change_until_the_final_which_may_correct_it() -> None:
    watch = StabilityWatch(str.lower)
    watch.partial(1, "one two", "one")
    watch.partial(1, "one too three", "one too")
    watch.partial(2, "four", "")
    assert watch.counts.violations == 0
    watch.partial(1, "one two three", "one two")
    assert watch.counts.violations == 1
    watch.final(1, "One to three.")
    watch.final(2, "four")
    counts = watch.counts
    assert (counts.partials, counts.violations, counts.stable_words, counts.corrected_words) == (4, 1, 2, 1)


def played_session(text: str, *, refused: str = "", **more: Any) -> Session:
    session = Session(Screen(), StabilityWatch(str.lower), refused=refused, **more)
    session.played.append(Played(100.0, utterance("a.wav", 2.0, "one two three four")))
    session.screen.final(103.0, text)
    return session


def test_figures_tell_live_and_offline_side_by_side_and_leave_refused_sessions_out() -> None:
    heard = played_session("one two three", final_lags_ms=[250], stopped_s=104.0, done_s=104.5, latest_s=0.01)
    broken = played_session("one two three four", errors=["closed"])
    plan = Plan("http://x", sessions=3, seconds=1, gap_s=0.5)
    usage = Usage(cpu_s=1.0, before_bytes=100_000_000, peak_bytes=104_000_000)
    refused = played_session("", refused="at_capacity")
    found = figures(plan, [heard, broken, refused], str.lower, usage, {Path("a.wav"): "one two"})
    assert (found["sessions"], found["refused"], found["errors"]) == (3, 1, 1)
    assert found["error_messages"] == ["session 2: closed"]
    assert (found["wer_live_percent"], found["wer_offline_percent"]) == (12.5, 50.0)
    assert found["audio_s"] == 5.0
    assert (found["cpu_s_per_audio_s"], found["memory_per_session_mb"], found["memory_peak_mb"]) == (0.2, 2.0, 104)
    assert found["lag_at_end_s"] == 0.5
    assert found["final_event_s"]["p50"] == 0.25
    # Without times of words nothing can be said of them.
    assert found["word_shown_s"] is None
    written = io.StringIO()
    Console(file=written, width=100).print(tables(found))
    table = written.getvalue()
    assert "word error rate, live" in table
    assert "word shown" not in table
    assert "session 2: closed" in table


def test_figures_of_nothing_but_refusals_are_none_and_no_error() -> None:
    plan = Plan("http://x", sessions=1, seconds=1)
    found = figures(plan, [played_session("", refused="no_worker")], str.lower, Usage(peak_bytes=1))
    assert (found["refused"], found["wer_live_percent"], found["cpu_s_per_audio_s"]) == (1, None, None)


async def test_a_process_tree_counts_the_cpu_of_children() -> None:
    busy = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.3: pass\nprint(flush=True); input()"
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


def test_texts_are_compared_without_case_and_punctuation() -> None:
    english, other = packages.normaliser("en"), packages.normaliser("de")
    assert english("It's COLOUR, Mr. Smith!") == "it is color mister smith"
    assert other("Größe, bitte!").split() == ["größe", "bitte"]
    assert packages.word_error_rate(["one two", ""], ["one", "nothing"]) == 0.5
    assert packages.word_error_rate([""], ["one"]) is None


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)
    with pytest.raises(CliError, match=r"jiwer is not installed .*; run: \S+ -m pip install 'jiwer>=4.0' 'psutil"):
        packages.need_extra()


def test_without_a_manifest_a_user_learns_what_one_is() -> None:
    result = CliRunner().invoke(app, ["bench"])
    assert result.exit_code == 2
    assert "--manifest is missing: a manifest is a file with one JSON object a line" in result.stderr


def test_without_a_suite_a_user_learns_how_to_start_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench", "--manifest", str(manifest(tmp_path)), "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "start a suite with `stt up`" in result.stderr
