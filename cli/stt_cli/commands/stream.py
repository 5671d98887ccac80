"""`stt stream` and `stt mic`: send a file, standard input or a microphone, and show the words as they arrive."""

import sys
from pathlib import Path

from stt_cli.errors import CliError
from stt_cli.live.microphone import microphone_audio, microphones
from stt_cli.live.show import show_live
from stt_cli.live.sources import (
    FILE_RATE,
    LiveAudio,
    channels_of_file,
    is_regular_file,
    pieces_of_file,
    pieces_of_stream,
)


def stream(
    url: str,
    source: str,
    query: dict[str, str],
    *,
    sample_rate: int,
    channels: int,
    as_json: bool,
    output: Path | None = None,
) -> None:
    """Run one session to its end.

    ``source`` is a path, or ``-`` for raw s16le at ``sample_rate``. Of a file whose channels are kept apart by
    ``query``, all are sent; otherwise they are mixed here. ``output`` as of ``show_live``. Raises CliError.
    """
    audio = (
        _audio_of_stdin(sample_rate, channels)
        if source == "-"
        else _audio_of_file(Path(source), query.get("channel_mode") == "separate")
    )
    show_live(url, audio, query, as_json=as_json, output=output)


def mic(url: str, device: str | None, query: dict[str, str], *, as_json: bool, output: Path | None) -> None:
    """Send what a microphone hears until Ctrl-C.

    ``device``: its number, or a part of its name; None is the system's choice. Raises CliError.
    """
    show_live(url, microphone_audio(device), query, as_json=as_json, output=output)


def list_microphones() -> None:
    """Print the number and the name of each microphone. Raises CliError."""
    for number, name in microphones():
        print(f"{number:3}  {name}")


def _audio_of_stdin(sample_rate: int, channels: int) -> LiveAudio:
    if sys.stdin.isatty():
        raise CliError("`-` reads raw s16le audio from a pipe or a redirected file, not from the keyboard", exit_code=2)
    stdin = sys.stdin.buffer
    pieces = pieces_of_stream(stdin, sample_rate, channels)
    return LiveAudio(pieces, sample_rate, channels, is_paced_here=is_regular_file(stdin))


def _audio_of_file(path: Path, is_apart: bool) -> LiveAudio:
    try:
        path.open("rb").close()
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}") from None
    channels = channels_of_file(path) if is_apart else 1
    return LiveAudio(pieces_of_file(path, apart=is_apart), FILE_RATE, channels, is_paced_here=True)
