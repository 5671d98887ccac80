"""Who says the finals of a live session, as its client hears it, and what later speech corrects."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from stt_shared.contracts.events import Final, SpeakersRevised
from stt_shared.contracts.speakers import KnownVoice, SpeakerCount
from stt_transcriber.core.speakers.session import Part, SessionSpeakers


class Telling:
    """Speakers of the finals of one session, of all its channels, in the order of their numbers.

    ``stored``: what ``packed`` of the previous owner returned, b"" at the beginning.
    """

    def __init__(self, session_id: str, count: SpeakerCount, stored: bytes) -> None:
        self._id = session_id
        self._speakers = SessionSpeakers(count, stored)

    def know(self, voices: Sequence[KnownVoice]) -> None:
        """Name those who are among ``voices``; see ``SessionSpeakers.know``."""
        self._speakers.know(voices)

    def told(self, final: Final, parts: Sequence[Part], channel: int = 0) -> Final:
        """Return a final, which has its number, with its speaker; ``parts``: its words with their voices."""
        told = self._speakers.add(final.utterance, parts, channel)
        return msgspec.structs.replace(
            final, speaker=told.speaker, speaker_confidence=told.confidence, turns=told.turns or UNSET
        )

    def revision(self, timestamp: str) -> SpeakersRevised | None:
        """Return the event for earlier finals that have other speakers than were told; then they count as told."""
        revised = self._speakers.revise()
        if not revised:
            return None
        return SpeakersRevised(session_id=self._id, utterances=revised, timestamp=timestamp)

    def packed(self) -> bytes:
        """Return what the next owner needs."""
        return self._speakers.stored()
