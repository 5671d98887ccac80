"""Conversion of a session's events for viewers of its conversation and for the transcript store."""

from msgspec import UnsetType

from stt_shared.contracts.conversation import (
    MAX_WORDS,
    CompactWord,
    LiveUtterance,
    RevisedSpeakers,
    SpeakersTold,
    UnrecognizedSpeech,
    Utterance,
)
from stt_shared.contracts.events import Final, Gap, Partial, RevisedUtterance, SpeakersRevised
from stt_shared.contracts.makers import Maker
from stt_shared.contracts.session import SessionConfig


class Speaker:
    """Converter of one session's events; ``resume_token``: its hash; ``finals``: number of those before.

    Its methods return None for a session that is neither in a conversation nor to be stored.
    """

    def __init__(
        self, maker: Maker, session_id: str, config: SessionConfig, resume_token: str, finals: int = 0
    ) -> None:
        self.maker = maker
        self._session_id = session_id
        self._config = config
        self._finals = finals
        # A session that is rebuilt after data loss keeps its token, so its utterances keep their identity.
        self._instance = resume_token[:16]

    def utterance(self, final: Final, now_wall_ms: float) -> Utterance | None:
        """Convert a final; None for a session that is neither in a conversation nor to be stored."""
        config = self._config
        if config.conversation_id is None and not config.store:
            return None
        return Utterance(
            conversation_id=config.conversation_id,
            session_id=self._session_id,
            instance=self._instance,
            utterance=final.utterance,
            # A name that the client gave says more than a number.
            speaker=config.speaker or final.speaker or None,
            text=final.text,
            language=final.language,
            confidence=final.confidence,
            spoken_ms=round(now_wall_ms - final.lag_ms) - (final.end_ms - final.start_ms),
            start_ms=final.start_ms,
            end_ms=final.end_ms,
            store=config.store,
            words=_stored_words(final) if config.store else [],
            channel=final.channel,
            maker=self.maker,
            is_voice=config.speaker is None and not isinstance(final.speaker, UnsetType),
        )

    def unrecognized(self, gap: Gap, now_wall_ms: float) -> UnrecognizedSpeech | None:
        """Convert a gap; None for a session that is not to be stored."""
        if not self._config.store:
            return None
        return UnrecognizedSpeech(
            conversation_id=self._config.conversation_id,
            session_id=self._session_id,
            instance=self._instance,
            spoken_ms=round(now_wall_ms) - (gap.to_ms - gap.from_ms),
            start_ms=gap.from_ms,
            end_ms=gap.to_ms,
            channel=gap.channel,
            maker=self.maker,
        )

    def told(self, event: Final | SpeakersRevised, now_wall_ms: float) -> SpeakersTold | None:
        """Convert the speakers of an event for the store.

        None for a session without speakers, and for one that is not to be stored and whose viewers see a name instead.
        """
        if isinstance(event, Final):
            self._finals = event.utterance
            if isinstance(event.speaker, UnsetType):
                return None
            turns = event.turns if isinstance(event.turns, list) else []
            utterances = [RevisedUtterance(event.utterance, event.speaker, turns)]
        else:
            utterances = event.utterances
        if not self._config.store and not self._shows_voices:
            return None
        return SpeakersTold(
            conversation_id=self._config.conversation_id,
            session_id=self._session_id,
            instance=self._instance,
            as_of=self._finals,
            told_ms=round(now_wall_ms),
            utterances=utterances,
            store=self._config.store,
            maker=self.maker,
        )

    def revised(self, event: SpeakersRevised) -> RevisedSpeakers | None:
        """Convert a revision for viewers; None for a session without any, or whose viewers see a name instead."""
        if self._config.conversation_id is None or not self._shows_voices:
            return None
        return RevisedSpeakers(
            conversation_id=self._config.conversation_id,
            session_id=self._session_id,
            instance=self._instance,
            as_of=self._finals,
            # Viewers have no words to which turns could refer.
            utterances=[RevisedUtterance(one.utterance, one.speaker) for one in event.utterances],
        )

    @property
    def _shows_voices(self) -> bool:
        return self._config.conversation_id is not None and self._config.speaker is None

    def unsettled(self, partial: Partial) -> LiveUtterance | None:
        """Convert a partial for viewers; None for a session without a conversation."""
        if self._config.conversation_id is None:
            return None
        return LiveUtterance(
            conversation_id=self._config.conversation_id,
            session_id=self._session_id,
            utterance=partial.utterance,
            speaker=self._config.speaker,
            text=partial.text,
            stable=partial.stable,
            unstable=partial.unstable,
            channel=partial.channel,
        )


def _stored_words(final: Final) -> list[CompactWord]:
    if len(final.words) > MAX_WORDS:
        return []
    return [CompactWord.of(word) for word in final.words]
