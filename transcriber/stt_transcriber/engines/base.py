"""Interface that every engine implements."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from stt_transcriber.core.decoding import DecodeRequest, Hypothesis


class EngineError(Exception):
    """Error for an engine or model that cannot be used; the message gives the reason and a remedy."""


class Engine(Protocol):
    """A loaded model. ``decode`` blocks and may be called from up to ``parallel`` threads at once.

    The same request for a final or a chunk of a file gives the same hypothesis, whatever else is decoded at the same
    time; a draft may differ by a near tie. ``max_batch``: maximum number of drafts decoded together. ``languages``: the
    codes that ``DecodeRequest.language`` may have; ("en",) for an English-only model. ``biased_by_keyterms``: whether
    it favours the keyterms of a request; ``hears_earlier``: whether it hears the ``earlier`` speech of one.
    """

    name: str
    model: str
    parallel: int
    max_batch: int
    is_multilingual: bool
    languages: tuple[str, ...]
    biased_by_keyterms: bool
    hears_earlier: bool

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        """Decode audio and return one hypothesis per request, in order.

        Accepts either one request of any quality, or up to ``max_batch`` drafts. Raises EngineError when the model
        fails.
        """
        ...


GiveWay = Callable[[], None]
"""Callback that a long decode calls between its steps; it blocks while more urgent work needs the processor."""


@runtime_checkable
class FileEngine(Engine, Protocol):
    """Engine that decodes chunks of files together, up to ``max_file_batch`` of them.

    The result of a chunk does not depend on the others in its batch.
    """

    max_file_batch: int

    def decode_files(self, requests: Sequence[DecodeRequest], give_way: GiveWay) -> list[Hypothesis]:
        """Decode requests of quality FILE and return one hypothesis each, in order.

        May be called from more than ``parallel`` threads as long as the others wait in ``give_way``. Raises EngineError
        when the model fails.
        """
        ...
