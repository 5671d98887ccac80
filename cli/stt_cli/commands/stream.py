"""`stt stream`: plays a file, or standard input, into the live path and shows the words as they come."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from rich.console import Console

from stt_cli.client.captions import Captions
from stt_cli.client.live import live_events
from stt_cli.client.sources import FILE_RATE, PieceReader, is_regular_file, pieces_of_file, pieces_of_stream
from stt_cli.errors import CliError


def stream(url: str, source: str, query: dict[str, str], *, sample_rate: int, channels: int, as_json: bool) -> None:
    """Runs one session to its end. ``source``: a path, or ``-`` for raw s16le of this rate. Raises CliError."""
    if source == "-" and sys.stdin.isatty():
        raise CliError("`-` reads raw s16le audio from a pipe or a redirected file, not from the keyboard", exit_code=2)
    if source != "-":
        sample_rate, channels = FILE_RATE, 1
    asked = {**query, "encoding": "pcm_s16le", "sample_rate": str(sample_rate), "channels": str(channels)}
    asyncio.run(_run(url, source, asked, sample_rate, channels, as_json))


async def _run(url: str, source: str, query: dict[str, str], sample_rate: int, channels: int, as_json: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    stdin = sys.stdin.buffer
    pieces = pieces_of_stream(stdin, sample_rate, channels) if source == "-" else pieces_of_file(Path(source))
    plays = source != "-" or is_regular_file(stdin)
    first = PieceReader(pieces, loop)
    # Ctrl-C ends the speech, not the session: the last words still come.
    loop.add_signal_handler(signal.SIGINT, stop.set)
    events = live_events(url, query, first.next, bytes_per_s=sample_rate * channels * 2 if plays else None, stop=stop)
    with Captions(Console(highlight=False)) as captions:
        async for message in events:
            event = json.loads(message)
            if as_json:
                print(message, flush=True)
            elif event["type"] in ("warning", "gap"):
                print(f"{event['type']}: {event.get('message') or event.get('cause')}", file=sys.stderr, flush=True)
            else:
                captions.show(event)
            if event["type"] == "error":
                raise CliError(f"{event['message']} ({event['code']})")
