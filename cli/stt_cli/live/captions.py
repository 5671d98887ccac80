"""Live captions on a terminal: finals stay; what is being said is redrawn with its unstable words dim."""

from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from stt_gateway.core.subtitles.plain_text import channel_name
from stt_shared.contracts.text import spaces_before


def caption(partial: dict[str, Any]) -> Text:
    """Return the current utterance with stable text solid and the rest dim."""
    # `unstable` lacks the space before it.
    text, stable = str(partial.get("text", "")), str(partial.get("stable", ""))
    return Text.assemble(stable, (text[len(stable) :], "dim"))


def lines_of(final: dict[str, Any]) -> list[str]:
    """Return the lines of a final: its text or, if speakers were told apart, what each says, after their name."""
    text = str(final["text"]).strip()
    if "speaker" not in final:
        return [text]
    changes = final.get("turns") or [{"word": 0, "speaker": final["speaker"]}]
    words = [str(word["word"]) for word in final["words"]]
    spaced = spaces_before(text, words) or [True] * len(words)
    lines = []
    for change, after in zip(changes, [*changes[1:], {"word": len(words)}], strict=True):
        said = range(change["word"], after["word"])
        line = "".join(f" {words[at]}" if spaced[at] else words[at] for at in said).strip()
        lines.append(f"{change['speaker']}: {line}" if change["speaker"] else line)
    return lines


def said_in(event: dict[str, Any]) -> list[str]:
    """Return the lines of a final, each with the name of its channel if that is kept apart; [] for other events."""
    return [_name(event.get("channel")) + line for line in lines_of(event)] if event["type"] == "final" else []


class Captions:
    """Context manager that shows events. If the output is not a terminal, only finals are printed, one per line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: dict[int | None, Text] = {}  # current utterance of each channel
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
        channel = event.get("channel")
        if event["type"] == "partial" and self._live is not None:
            self._said[channel] = Text.assemble(_name(channel), caption(event)) if event["text"] else Text("")
            self._live.update(self._current())
        elif event["type"] == "final":
            self._said.pop(channel, None)
            if self._live is not None:
                self._live.update(self._current())
            for line in said_in(event):
                self._console.print(Text(line), soft_wrap=True)

    def _current(self) -> Text:
        channels = sorted(self._said, key=lambda channel: channel or 0)
        return Text("\n").join(text for channel in channels if (text := self._said[channel]))


def _name(channel: int | None) -> str:
    """Return the beginning of a line about a channel that is kept apart, as in the text of a file; '' for none."""
    return "" if channel is None else f"{channel_name(channel)}: "
