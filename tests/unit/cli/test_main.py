"""The command line as a whole."""

from importlib.metadata import version

import pytest
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
