"""The one interface of all engines."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from stt_transcriber.core.decoding import DecodeRequest, Hypothesis


class EngineError(Exception):
    """The engine or its model cannot be used; the message says why and what would help."""


class Engine(Protocol):
    """A loaded model. ``decode`` blocks, and may be called from as many threads at once as ``parallel`` says.

    The same request for a final or a piece of a file gives the same hypothesis, whatever else runs beside it; a draft
    may differ by a near tie. ``max_batch``: drafts that are decoded together at the most. ``languages``: the codes that
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


GiveWay = Callable[[], None]
"""Called between the steps of a long decode, it blocks while others, who are in a hurry, need the processor."""


@runtime_checkable
class FileEngine(Engine, Protocol):
    """An engine that decodes pieces of files together, up to ``max_file_batch`` of them.

    What comes of a piece does not hang on those beside it.
    """

    max_file_batch: int

    def decode_files(self, requests: Sequence[DecodeRequest], give_way: GiveWay) -> list[Hypothesis]:
        """Requests of the quality FILE, answered in their order. May be called from more threads than ``parallel`` as
        long as the others wait in ``give_way``. Raises EngineError when the model fails."""
        ...
