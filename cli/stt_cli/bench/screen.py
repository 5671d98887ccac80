"""What a person would see of one session, and when: settled text and, behind it, the text that may still change."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """The screen from ``at_s`` (monotonic) on, until the next picture."""

    at_s: float
    text: str


class Screen:
    """Fed a session's text events as they come; keeps a picture of every change."""

    def __init__(self) -> None:
        self._settled = ""
        self._tentative = ""
        self.pictures: list[Picture] = []

    @property
    def text(self) -> str:
        """What stands there now."""
        return f"{self._settled} {self._tentative}".strip()

    def partial(self, at_s: float, text: str) -> None:
        """The utterance being spoken now reads so."""
        self._tentative = text
        self._draw(at_s)

    def final(self, at_s: float, text: str) -> None:
        """An utterance is settled; whatever was tentative gives way to it."""
        self._settled = f"{self._settled} {text}".strip()
        self._tentative = ""
        self._draw(at_s)

    def _draw(self, at_s: float) -> None:
        if not self.pictures or self.pictures[-1].text != self.text:
            self.pictures.append(Picture(at_s, self.text))
