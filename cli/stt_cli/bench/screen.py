"""The text a person would see during one session, over time: final text, then text that may still change."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """Contents of the screen from ``at_s`` (monotonic) until the next picture."""

    at_s: float
    text: str


class Screen:
    """Virtual screen that receives a session's text events in order and keeps a picture of every change."""

    def __init__(self) -> None:
        self._settled = ""
        self._tentative = ""
        self.pictures: list[Picture] = []

    @property
    def text(self) -> str:
        """Text currently displayed."""
        return f"{self._settled} {self._tentative}".strip()

    def partial(self, at_s: float, text: str) -> None:
        """Display the current text of the utterance being spoken."""
        self._tentative = text
        self._draw(at_s)

    def final(self, at_s: float, text: str) -> None:
        """Display an utterance's final text in place of its tentative text."""
        self._settled = f"{self._settled} {text}".strip()
        self._tentative = ""
        self._draw(at_s)

    def _draw(self, at_s: float) -> None:
        if not self.pictures or self.pictures[-1].text != self.text:
            self.pictures.append(Picture(at_s, self.text))
