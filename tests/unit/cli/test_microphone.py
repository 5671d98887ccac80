"""The microphone, without one."""

import sys
import types
from typing import Any

import pytest
from typer.testing import CliRunner

from stt_cli.errors import CliError
from stt_cli.live.microphone import microphone_audio, microphones, recorder
from stt_cli.main import app

pytestmark = pytest.mark.unit


class PortAudioError(Exception):
    pass


class Stream:
    """Stands in for sounddevice's stream: three reads, then it is unplugged."""

    def __init__(self, **asked: Any) -> None:
        self.asked = asked
        self._reads = iter([(b"\1\0" * 4410, False), (b"\2\0" * 4410, True), (b"\3\0" * 4410, False)])

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, frames: int) -> tuple[bytes, bool]:
        assert frames == 4410
        for read in self._reads:
            return read
        raise PortAudioError("Device unavailable")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what streams were opened with, on a machine with one microphone."""
    streams: list[dict[str, Any]] = []
    devices = [
        {"name": "Speakers", "max_input_channels": 0},
        {"name": "Desk", "max_input_channels": 2, "default_samplerate": 44100.0},
    ]

    def query_devices(device: int | str | None = None, kind: str | None = None) -> Any:
        if kind is None:
            return devices
        if device in (None, 1, "desk"):
            return devices[1]
        raise ValueError(f"No input device matching {device!r}")

    def open_stream(**asked: Any) -> Stream:
        streams.append(asked)
        return Stream()

    sound = types.ModuleType("sounddevice")
    sound.query_devices, sound.RawInputStream = query_devices, open_stream  # type: ignore[attr-defined]
    sound.PortAudioError = PortAudioError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", sound)
    return streams


def test_it_is_heard_in_mono_at_its_own_rate_until_it_fails(
    opened: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    audio = microphone_audio(None)
    assert (audio.sample_rate, audio.channels, audio.is_paced_here) == (44_100, 1, False)
    assert opened == [{"samplerate": 44_100, "device": None, "channels": 1, "dtype": "int16"}]
    pieces = [next(audio.pieces) for _ in range(3)]
    assert [piece[:2] for piece in pieces] == [b"\1\0", b"\2\0", b"\3\0"]
    assert capsys.readouterr().err == "gap: this machine was too busy to record\n"
    with pytest.raises(CliError, match="the microphone has failed: Device unavailable"):
        next(audio.pieces)


@pytest.mark.parametrize(("device", "named"), [("1", 1), ("desk", "desk")])
def test_it_is_chosen_by_number_or_name(opened: list[dict[str, Any]], device: str, named: int | str) -> None:
    microphone_audio(device)
    assert opened[0]["device"] == named


def test_one_that_is_not_there_is_named(opened: list[dict[str, Any]]) -> None:
    with pytest.raises(CliError, match=r"microphone 'lamp' cannot be opened: .*`stt mic --list`"):
        microphone_audio("lamp")
    assert opened == []


def test_microphones_are_listed(opened: list[dict[str, Any]]) -> None:
    assert microphones() == [(1, "Desk")]
    assert CliRunner().invoke(app, ["mic", "--list"]).output == "  1  Desk\n"


def test_without_portaudio_another_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(CliError, match=r"sounddevice is not installed; run: .* pip install .*, or record with") as told:
        microphone_audio(None)
    assert str(told.value).endswith(recorder())


@pytest.mark.parametrize(("system", "program"), [("linux", "arecord"), ("darwin", "avfoundation"), ("win32", "dshow")])
def test_the_program_is_one_of_the_system(system: str, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert program in recorder()
    assert recorder().endswith(" | stt stream -")
