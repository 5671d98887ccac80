"""The one interface of all engines."""

from collections.abc import Sequence
from typing import Protocol

from stt_transcriber.core.hypothesis import DecodeRequest, Hypothesis


class EngineError(Exception):
    """The engine or its model cannot be used; the message says why and what would help."""


class Engine(Protocol):
    """A loaded model. ``decode`` blocks, and may be called from as many threads at once as ``parallel`` says.

    The same final request gives the same hypothesis, whatever else runs beside it; a draft may differ by a near tie.
    ``max_batch``: drafts that are decoded together at the most. ``languages``: the codes that
    ``DecodeRequest.language`` may have; ("en",) for an English-only model.
    """

    name: str
    model: str
    parallel: int
    max_batch: int
    is_multilingual: bool
    languages: tuple[str, ...]

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        """Puts audio into words: one hypothesis per request, in their order. Either one request of any quality, or up
        to ``max_batch`` drafts. Raises EngineError when the model fails."""
        ...
