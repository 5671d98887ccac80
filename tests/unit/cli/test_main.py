"""The command line as a whole."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from stt_cli.main import app

pytestmark = pytest.mark.unit


def test_the_version_is_shown() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"stt {version('realtime-stt-suite')}\n")


def test_a_choice_of_languages_is_sent_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, str]] = []
    monkeypatch.setattr("stt_cli.commands.stream.stream", lambda url, source, query, **_: asked.append(query))
    monkeypatch.setattr("stt_cli.commands.transcribe.transcribe", lambda *arguments: asked.append(arguments[3]))
    for command in (["stream", "-"], ["transcribe", "a.wav"]):
        assert CliRunner().invoke(app, [*command, "--languages", "en,fr"]).exit_code == 0
    assert asked == [{"languages": "en,fr"}] * 2


def test_the_mode_of_channels_is_sent_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, str]] = []
    monkeypatch.setattr("stt_cli.commands.transcribe.transcribe", lambda *arguments: asked.append(arguments[3]))
    assert CliRunner().invoke(app, ["transcribe", "call.wav", "--channel-mode", "separate"]).exit_code == 0
    assert [fields["channel_mode"] for fields in asked] == ["separate"]


def test_speakers_are_sent_as_written_and_asked_for_by_the_format_that_needs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, str]] = []
    monkeypatch.setattr("stt_cli.commands.transcribe.transcribe", lambda *arguments: asked.append(arguments[3]))
    for options in ([], ["--speakers", "2-4"], ["-f", "diarized_json"], ["-f", "diarized_json", "--speakers", "3"]):
        assert CliRunner().invoke(app, ["transcribe", "a.wav", *options]).exit_code == 0
    assert asked == [{}, {"speakers": "2-4"}, {"speakers": "auto"}, {"speakers": "3"}]


def test_speakers_of_a_stream_are_sent_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, str]] = []
    monkeypatch.setattr("stt_cli.commands.stream.stream", lambda *arguments, **_: asked.append(arguments[2]))
    for options in ([], ["--speakers", "auto"], ["--known-speakers"]):
        assert CliRunner().invoke(app, ["stream", "a.wav", *options]).exit_code == 0
    assert asked == [{}, {"speakers": "auto"}, {"known_speakers": "true"}]


def commands_of(command: typer.core.TyperGroup | object) -> list[list[str]]:
    if not isinstance(command, typer.core.TyperGroup):
        return [[]]
    return [[], *([name, *rest] for name, below in command.commands.items() for rest in commands_of(below))]


@pytest.mark.parametrize("command", commands_of(typer.main.get_command(app)), ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    short, long = (CliRunner().invoke(app, [*command, option]) for option in ("-h", "--help"))
    assert (short.exit_code, short.output) == (0, long.output)
    assert "Usage" in short.output


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("stt tra", "transcribe"),
        ("stt models pull tiny", "tiny tiny.en tiny.en.pt"),
        ("stt transcribe -f ", "txt srt vtt json diarized_json"),
        ("stt stream --language ja", "ja"),
    ],
)
def test_words_are_completed_in_the_shell(words: str, completed: str) -> None:
    env = {"_STT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    result = CliRunner().invoke(app, [], env=env, prog_name="stt")
    assert result.output.split() == completed.split()


def test_the_ending_of_a_file_chooses_the_format_unless_one_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("stt_cli.commands.transcribe.transcribe", lambda *arguments: asked.append(arguments[2]))
    for options in ([], ["-o", "a.srt"], ["-o", "a.srt", "-f", "vtt"]):
        assert CliRunner().invoke(app, ["transcribe", "a.wav", *options]).exit_code == 0
    assert asked == ["txt", "srt", "vtt"]


def test_the_languages_are_listed() -> None:
    listed = CliRunner().invoke(app, ["languages"]).output
    assert "de   German" in listed
    found = json.loads(CliRunner().invoke(app, ["languages", "--json"]).output)["languages"]
    assert len(found) == len(listed.splitlines()) == 100
    assert {"code": "yue", "names": ["Cantonese", "Yue Chinese", "粵語", "粤语", "廣東話"]} in found


def test_a_reader_that_has_gone_is_no_mistake() -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "stt_cli", "languages"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.close()
    with command.stderr as errors:
        assert errors.read() == b""
    assert command.wait() == 1


def test_ctrl_c_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stt_cli.commands.health.health", interrupt)
    result = CliRunner().invoke(app, ["health"])
    assert (result.exit_code, result.output) == (130, "")


def test_models_are_listed_and_removed(tmp_path: Path) -> None:
    for name in ("base", "small"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.bin").write_bytes(b"0" * 2_000_000)
    at = ["--models-dir", str(tmp_path)]
    removed = CliRunner().invoke(app, ["models", "rm", "base", *at])
    assert (removed.exit_code, removed.output) == (0, "base: removed, 2 MB\n")
    listed = json.loads(CliRunner().invoke(app, ["models", "list", "--json", *at]).output)["models"]
    assert listed == [
        {"name": "small", "size_bytes": 2_000_000, "source": "unknown", "folder": str(tmp_path / "small")}
    ]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["small"]
    again = CliRunner().invoke(app, ["models", "rm", "base", *at])
    assert (again.exit_code, "is not installed" in again.output) == (1, True)


def test_what_is_no_installed_model_is_never_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "model.bin").touch()
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("own", "../own", str(own), ".", ""):
        assert CliRunner().invoke(app, ["models", "rm", name, "--models-dir", "models"]).exit_code == 1
    assert (own / "model.bin").is_file()
