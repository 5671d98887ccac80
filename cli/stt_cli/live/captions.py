"""Live captions on a terminal: finals stay; the current utterance is redrawn with its unstable words dim."""

from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text


def caption(partial: dict[str, Any]) -> Text:
    """Return the current utterance with stable text solid and the rest dim."""
    # `unstable` lacks the space before it.
    text, stable = str(partial.get("text", "")), str(partial.get("stable", ""))
    return Text.assemble(stable, (text[len(stable) :], "dim"))


class Captions:
    """Context manager that shows events. If the output is not a terminal, only finals are printed, one per line."""

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
        """Show a partial or a final; other events are ignored."""
        if event["type"] == "partial" and self._live is not None:
            self._live.update(caption(event))
        elif event["type"] == "final":
            if self._live is not None:
                self._live.update(Text(""))
            self._console.print(Text(str(event["text"]).strip()), soft_wrap=True)
