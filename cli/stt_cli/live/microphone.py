"""A microphone of this machine, by PortAudio where that is installed."""

import sys
from collections.abc import Iterator
from typing import Any

from stt_cli.errors import CliError
from stt_cli.live.sources import PIECE_S, LiveAudio
from stt_shared.process.extras import install_command

_RECORDERS = {
    "darwin": "ffmpeg -loglevel error -f avfoundation -i :0",
    "win32": 'ffmpeg -loglevel error -f dshow -i audio="NAME OF THE MICROPHONE"',
}
_TO_RAW = "-ac 1 -ar 16000 -f s16le -"
_ARECORD = "arecord -q -t raw -f S16_LE -r 16000 -c 1"


def microphone_audio(device: str | None) -> LiveAudio:
    """Open a microphone: None for the system's choice, or its number or a part of its name. Raises CliError.

    It is heard in mono, at its own rate.
    """
    sound = _sounddevice()
    named = int(device) if device is not None and device.isdecimal() else device
    try:
        rate = int(sound.query_devices(named, "input")["default_samplerate"])
        stream = sound.RawInputStream(samplerate=rate, device=named, channels=1, dtype="int16")
    except (ValueError, sound.PortAudioError) as error:
        what = "the microphone" if device is None else f"microphone {device!r}"
        raise CliError(f"{what} cannot be opened: {error}; `stt mic --list` shows those there are") from None
    return LiveAudio(_pieces(stream, int(rate * PIECE_S), sound.PortAudioError), rate, channels=1)


def microphones() -> list[tuple[int, str]]:
    """Return the number and the name of each microphone. Raises CliError."""
    devices = enumerate(_sounddevice().query_devices())
    found = [(number, str(device["name"])) for number, device in devices if device["max_input_channels"] > 0]
    if not found:
        raise CliError("no microphone was found")
    return found


def recorder() -> str:
    """Return a command of this system that records into ``stt stream -``."""
    other = _RECORDERS.get(sys.platform)
    return f"{f'{other} {_TO_RAW}' if other else _ARECORD} | stt stream -"


def _pieces(stream: Any, frames: int, failure: type[Exception]) -> Iterator[bytes]:
    try:
        with stream:
            while True:
                data, has_overflowed = stream.read(frames)
                if has_overflowed:
                    print("gap: this machine was too busy to record", file=sys.stderr, flush=True)
                yield bytes(data)
    except failure as error:
        raise CliError(f"the microphone has failed: {error}") from None


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError:
        missing = f"sounddevice is not installed; run: {install_command('mic')}"
    except OSError:
        missing = "PortAudio is not installed (Debian, Ubuntu: apt install libportaudio2)"
    else:
        return sounddevice
    raise CliError(f"{missing}, or record with another program: {recorder()}")
