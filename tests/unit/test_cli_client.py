"""The client's parts: what it sends, what it shows, what it says when something is wrong."""

import asyncio
import io
import json
import struct
import threading
import wave
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from stt_cli.commands.transcribe import output_name, time_left
from stt_cli.errors import CliError
from stt_cli.http.formats import Format
from stt_cli.http.readiness import Health, read_health
from stt_cli.http.server import base_url, error_message, unreachable
from stt_cli.live.captions import Captions, caption
from stt_cli.live.sources import PieceReader, pieces_of_file, pieces_of_stream
from stt_cli.main import app
from stt_cli.up.log_sink import LogSink, for_console

pytestmark = pytest.mark.unit


def test_the_address_is_the_option_then_the_environment_then_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STT_URL", raising=False)
    assert base_url(None) == "http://127.0.0.1:8000"
    monkeypatch.setenv("STT_URL", "https://stt.example/")
    assert base_url(None) == "https://stt.example"
    assert base_url("http://other:1") == "http://other:1"
    with pytest.raises(CliError, match="begins with http"):
        base_url("localhost:8000")


def test_an_unreachable_server_says_what_to_do() -> None:
    said = str(unreachable("http://a:1", ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)")))
    assert said == (
        "no answer from http://a:1 (Connection refused); start a suite with `stt up`, or name one with --url or STT_URL"
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"error": {"code": "too_large", "message": "at most 2 GB"}}, "at most 2 GB"),
        ({"code": "bad_config", "message": "language"}, "language"),
        (["?"], ""),
        ({}, ""),
    ],
)
def test_the_servers_own_sentence_is_found(answer: object, said: str) -> None:
    assert error_message(answer) == said


def write_wav(path: Path, rate: int, channels: int, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack("<h", 1000) * int(rate * seconds) * channels)


def test_a_file_is_played_as_16_khz_mono_in_pieces_of_100_ms(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", rate=48_000, channels=2, seconds=1.25)
    pieces = list(pieces_of_file(tmp_path / "a.wav"))
    assert {len(piece) for piece in pieces[:-1]} == {3200}
    assert sum(map(len, pieces)) == 16_000 * 1.25 * 2


def test_a_file_that_cannot_be_played_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no sound at all" * 100)
    with pytest.raises(CliError, match=r"cannot decode .*a\.wav"):
        list(pieces_of_file(tmp_path / "a.wav"))
    with pytest.raises(CliError, match=r"cannot read .*gone\.wav: No such file"):
        list(pieces_of_file(tmp_path / "gone.wav"))


async def test_a_source_ends_with_the_loop_that_reads_it() -> None:
    def listen_a_while() -> None:
        async def first_piece() -> None:
            await PieceReader(iter([b"x"] * 1000), asyncio.get_running_loop()).next()
            await asyncio.sleep(0.1)

        asyncio.run(first_piece())

    failed: list[str] = []
    before, threading.excepthook = threading.excepthook, lambda args: failed.append(str(args.exc_type))
    try:
        await asyncio.to_thread(listen_a_while)
        for thread in threading.enumerate():
            if thread.name == "audio-source":
                await asyncio.to_thread(thread.join, 5)
    finally:
        threading.excepthook = before
    assert failed == []


def test_the_version_is_shown() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"stt {version('realtime-stt-suite')}\n")


def test_raw_input_goes_on_in_whole_samples_however_it_arrives() -> None:
    class Dribble(io.BytesIO):
        def read1(self, size: int = -1, /) -> bytes:
            return super().read1(7)

    pieces = list(pieces_of_stream(Dribble(bytes(range(101))), 16_000, channels=2))
    assert all(len(piece) % 4 == 0 for piece in pieces)
    assert b"".join(pieces) == bytes(range(100))


def test_settled_words_are_solid_and_the_rest_is_dim() -> None:
    text = caption({"stable": "ever tried", "unstable": " ever fail"})
    assert text.plain == "ever tried ever fail"
    assert [(span.start, str(span.style)) for span in text.spans] == [(10, "dim")]


def test_off_a_terminal_only_finals_are_printed_a_line_each() -> None:
    out = io.StringIO()
    with Captions(Console(file=out, width=20)) as captions:
        captions.show({"type": "partial", "stable": "no", "unstable": ""})
        captions.show({"type": "final", "text": " No matter [bold]. Try again and again."})
    assert out.getvalue() == "No matter [bold]. Try again and again.\n"


def test_results_never_overwrite_each_other() -> None:
    files = [Path("x/talk.mp3"), Path("talk.wav"), Path("song.mp3")]
    assert [output_name(path, files, Format.SRT) for path in files] == ["talk.mp3.srt", "talk.wav.srt", "song.srt"]


@pytest.mark.parametrize(
    ("estimated_s", "shown"),
    [
        (None, ""),
        (1, "about 1 s left"),
        (75, "about 2 min left"),
        (3600, "about 1 h 00 min left"),
        (9000, "about 2 h 30 min left"),
    ],
)
def test_what_is_left_is_told_in_words(estimated_s: int | None, shown: str) -> None:
    assert time_left(estimated_s) == shown


def test_the_console_shows_warnings_and_what_is_no_json() -> None:
    assert for_console("gateway 1", json.dumps({"event": "session opened", "level": "info"})) is None
    warning = {"event": "no sign of life", "level": "warning", "service": "x", "timestamp": "t", "cause": "refused"}
    assert for_console("gateway 1", json.dumps(warning)) == "[gateway 1] warning: no sign of life cause=refused"
    crash = {"event": "failed", "level": "error", "exception": [{"exc_type": "ValueError", "exc_value": "bad"}]}
    assert for_console("gateway 1", json.dumps(crash)) == "[gateway 1] error: failed (ValueError: bad)"
    assert for_console("gateway 1", "Segmentation fault") == "[gateway 1] Segmentation fault"


def test_every_line_is_kept_and_only_warnings_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sink = LogSink(tmp_path, verbose=False)
    sink.take("gateway 1", '{"event":"a","level":"info"}')
    sink.take("gateway 1", '{"event":"b","level":"warning"}')
    assert (tmp_path / "gateway-1.log").read_text().count("\n") == 2
    assert capsys.readouterr().err == "[gateway 1] warning: b\n"
    LogSink(tmp_path, verbose=True).take("gateway 1", '{"event":"a","level":"info"}')
    assert capsys.readouterr().err == '{"event":"a","level":"info"}\n'


def test_a_health_answer_says_what_is_still_missing() -> None:
    health = read_health(b'{"status":"unhealthy","services":{"redis":"connected","whisper":"loading"}}')
    assert not health.is_healthy
    assert health.unready() == "whisper loading"
    assert read_health(b"<html>") == Health()
    assert read_health(b'{"status":"healthy"}').is_healthy
