"""A live session on a terminal, from the first piece of audio to the last words."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import TextIO

from rich.console import Console

import stt_client
from stt_cli.errors import CliError
from stt_cli.http.api_key import api_key
from stt_cli.http.tls import client_tls
from stt_cli.live.captions import Captions, said_in
from stt_cli.live.notes import note_of
from stt_cli.live.playback import live_events
from stt_cli.live.sources import LiveAudio, PieceReader


def show_live(url: str, audio: LiveAudio, query: dict[str, str], *, as_json: bool, output: Path | None) -> None:
    """Run one session to its end, and show the words as they arrive, or the events as JSON.

    ``output``: file that also gets the finals, or the events, a line each. Raises CliError.
    """
    if output is None:
        asyncio.run(_run(url, audio, query, as_json, None))
        return
    try:
        with output.open("w", encoding="utf-8", buffering=1) as file:
            asyncio.run(_run(url, audio, query, as_json, file))
    except OSError as error:
        if error.filename != str(output):
            raise
        raise CliError(f"cannot write {output}: {error.strerror}") from None


async def _run(url: str, audio: LiveAudio, query: dict[str, str], as_json: bool, output: TextIO | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    first = PieceReader(audio.pieces, loop)
    # Ctrl-C ends the audio, not the session: the last words still arrive.
    loop.add_signal_handler(signal.SIGINT, stop.set)
    session = stt_client.connect(
        url,
        sample_rate=audio.sample_rate,
        channels=audio.channels,
        parameters=query,
        api_key=api_key(),
        tls=client_tls() if url.startswith("https") else None,
        # Fail at once if nothing answers the first connection; only later reconnections protect speech from being lost.
        open_patience_s=0.0,
        on_lost=lambda reason: _print_note(f"connection lost ({reason}), resuming"),
    )
    bytes_per_s = audio.sample_rate * audio.channels * 2 if audio.is_paced_here else None
    with Captions(Console(highlight=False)) as captions:
        async for event in live_events(session, url, first.next, bytes_per_s=bytes_per_s, stop=stop):
            lines = [json.dumps(event)] if as_json else said_in(event)
            if output is not None:
                output.writelines(f"{line}\n" for line in lines)
            if as_json:
                print(*lines, flush=True)
            elif note := note_of(event):
                _print_note(note)
            else:
                captions.show(event)


def _print_note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
