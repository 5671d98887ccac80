"""`stt stream`: plays a file or standard input into a live session and shows the words as they arrive."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from rich.console import Console

import stt_client
from stt_cli.errors import CliError
from stt_cli.http.api_key import api_key
from stt_cli.http.tls import client_tls
from stt_cli.live.captions import Captions
from stt_cli.live.notes import note_of
from stt_cli.live.playback import live_events
from stt_cli.live.sources import (
    FILE_RATE,
    PieceReader,
    channels_of_file,
    is_regular_file,
    pieces_of_file,
    pieces_of_stream,
)


def stream(url: str, source: str, query: dict[str, str], *, sample_rate: int, channels: int, as_json: bool) -> None:
    """Run one session to its end.

    ``source`` is a path, or ``-`` for raw s16le at ``sample_rate``. Of a file whose channels are kept apart by
    ``query``, all are sent; otherwise they are mixed here. Raises CliError.
    """
    if source == "-" and sys.stdin.isatty():
        raise CliError("`-` reads raw s16le audio from a pipe or a redirected file, not from the keyboard", exit_code=2)
    if source != "-":
        try:
            Path(source).open("rb").close()
        except OSError as error:
            raise CliError(f"{source} cannot be read: {error.strerror}") from None
        sample_rate, channels = FILE_RATE, channels_of_file(Path(source)) if _is_apart(query) else 1
    asyncio.run(_run(url, source, query, sample_rate, channels, as_json))


async def _run(url: str, source: str, query: dict[str, str], sample_rate: int, channels: int, as_json: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    stdin = sys.stdin.buffer
    if source == "-":
        pieces = pieces_of_stream(stdin, sample_rate, channels)
    else:
        pieces = pieces_of_file(Path(source), apart=_is_apart(query))
    plays = source != "-" or is_regular_file(stdin)
    first = PieceReader(pieces, loop)
    # Ctrl-C ends the audio, not the session: the last words still arrive.
    loop.add_signal_handler(signal.SIGINT, stop.set)
    session = stt_client.connect(
        url,
        sample_rate=sample_rate,
        channels=channels,
        parameters=query,
        api_key=api_key(),
        tls=client_tls() if url.startswith("https") else None,
        # Fail at once if nothing answers the first connection; only later reconnections protect speech from being lost.
        open_patience_s=0.0,
        on_lost=lambda reason: _print_note(f"connection lost ({reason}), resuming"),
    )
    bytes_per_s = sample_rate * channels * 2 if plays else None
    with Captions(Console(highlight=False)) as captions:
        async for event in live_events(session, url, first.next, bytes_per_s=bytes_per_s, stop=stop):
            if as_json:
                print(json.dumps(event), flush=True)
            elif note := note_of(event):
                _print_note(note)
            else:
                captions.show(event)


def _is_apart(query: dict[str, str]) -> bool:
    return query.get("channel_mode") == "separate"


def _print_note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
