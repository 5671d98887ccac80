"""Live text on a terminal: finals stay, the current utterance is redrawn with its unsettled words dim."""

from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text


def caption(partial: dict[str, Any]) -> Text:
    """The current utterance: settled text solid, the rest dim."""
    return Text.assemble(str(partial.get("stable", "")), (str(partial.get("unstable", "")), "dim"))


class Captions:
    """Shows events; a context manager. Not on a terminal, only finals are printed, a line each."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def __enter__(self) -> "Captions":
        if self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, refresh_per_second=10, vertical_overflow="visible")
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, event: dict[str, Any]) -> None:
        """Shows a partial or a final; other events have nothing for the reader of captions."""
        if event["type"] == "partial" and self._live is not None:
            self._live.update(caption(event))
        elif event["type"] == "final":
            if self._live is not None:
                self._live.update(Text(""))
            self._console.print(Text(str(event["text"]).strip()), soft_wrap=True)
