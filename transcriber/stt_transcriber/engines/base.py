"""The one interface of all engines."""

from typing import Protocol

from stt_transcriber.core.hypothesis import DecodeRequest, Hypothesis


class EngineError(Exception):
    """The engine or its model cannot be used; the message says why and what would help."""


class Engine(Protocol):
    """A loaded model. ``decode`` blocks, and may be called from as many threads at once as ``parallel`` says.

    The same request gives the same hypothesis, whatever else runs beside it. ``languages``: the codes that
    ``DecodeRequest.language`` may have; ("en",) for an English-only model.
    """

    name: str
    model: str
    parallel: int
    is_multilingual: bool
    languages: tuple[str, ...]

    def decode(self, request: DecodeRequest) -> Hypothesis:
        """Puts audio into words. Raises EngineError when the model fails."""
        ...
