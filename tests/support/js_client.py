"""The JavaScript client in Node, called as the Python client is."""

import asyncio
import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import stt_client
from support.node import with_websocket

_SCRIPT = Path(__file__).parent / "js_client.mjs"


class JsClient:
    """A process of Node that holds one session after another. A context manager."""

    def __init__(self) -> None:
        command = [*with_websocket(), str(_SCRIPT)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "JsClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    async def converse(
        self,
        url: str,
        audio: bytes,
        *,
        chunk_bytes: int,
        every_s: float,
        quick: bool = False,
        on_lost: Callable[[str], None] = lambda _: None,
        on_resumed: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """A whole session: sends ``audio``, reads to the end. Options are named as those of `stt_client.connect`.

        ``quick``: with a fiftieth of the waits between attempts.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        events, failure = [], None
        with tempfile.NamedTemporaryFile(suffix=".pcm") as file:
            file.write(audio)
            file.flush()
            asked = {
                "url": url,
                "options": {_camel(name): value for name, value in options.items()},
                "audio": file.name,
                "chunkBytes": chunk_bytes,
                "everyMs": every_s * 1000,
                "quick": quick,
            }
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            while line := await asyncio.to_thread(self._process.stdout.readline):
                match json.loads(line):
                    case {"event": event}:
                        events.append(event)
                    case {"lost": reason}:
                        on_lost(reason)
                    case {"resumed": True}:
                        on_resumed()
                    case {"error": error}:
                        failure = stt_client.SessionError(**error)
                    case _:
                        break
            else:
                raise RuntimeError("the process has died")
        if failure is not None:
            raise failure
        return events


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
