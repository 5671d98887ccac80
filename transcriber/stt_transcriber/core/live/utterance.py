"""Utterance of a live session: its audio range and its words so far, and a decode of it."""

from dataclasses import dataclass, field

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.decoding import DecodeRequest, Memory, TurnRequest
from stt_transcriber.core.live.draft_language import DraftLanguage
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.core.text.agreement import Agreement, PlacedWord

SAMPLES_PER_MS = AUDIO_RATE_HZ // 1000


@dataclass
class Utterance:
    """Utterance from ``start`` to ``end`` (if open, to the end of the audio), in samples.

    ``whole_end``: end of the speech; after ``end`` if only the audio up to ``end`` is decoded first, and the rest next.
    ``voice_share``: share of it that held voice, fixed when it ends. ``refused``: its final was rejected.
    ``published``: words of its last partial; ``shown_language``: language of the first. ``decoded_to``: end of its last
    draft.
    """

    start: int
    agreement: Agreement
    end: int = 0
    whole_end: int = 0
    voice_share: float = 0.0
    refused: bool = False
    shown_language: str = ""
    published: list[PlacedWord] = field(default_factory=list)
    decoded_to: int = 0
    window_start: int = 0
    memory: Memory = field(default_factory=Memory)
    draft_language: DraftLanguage = field(default_factory=DraftLanguage)

    @property
    def words(self) -> list[PlacedWord]:
        """Words so far, stable ones first."""
        return [*self.agreement.stable, *self.agreement.unstable]


@dataclass(frozen=True)
class Ticket:
    """Decode in progress: its audio, utterance and purpose. ``channel``: where they are kept apart."""

    kind: Kind
    begin: int
    end: int
    request: DecodeRequest | TurnRequest
    utterance: Utterance = field(repr=False)
    channel: int | None = None

    @property
    def decode(self) -> DecodeRequest:
        """The request, unless it is a question to the turn model."""
        assert isinstance(self.request, DecodeRequest)
        return self.request

    @property
    def voice_windows(self) -> list[tuple[int, int]]:
        """Windows whose voices are asked for, in samples of the session."""
        return [(self.begin + start, self.begin + stop) for start, stop in self.decode.voice_windows]
