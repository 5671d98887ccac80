"""Decodes of a live session: the audio, prompt and language of each."""

from stt_shared.contracts.session import AUDIO_RATE_HZ, AcousticContext, SessionConfig
from stt_shared.contracts.text import join_texts
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.vad_gate import WINDOW_MS
from stt_transcriber.core.audio.vad_track import VadTrack
from stt_transcriber.core.decoding import DecodeRequest, EarlierSpeech, Quality, TurnRequest
from stt_transcriber.core.live.context import SessionContext
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS, Ticket, Utterance
from stt_transcriber.core.live.vocabulary import Vocabularies
from stt_transcriber.core.live.voices import LiveVoices
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.core.text.join import join_words

TURN_SAMPLES = 8 * AUDIO_RATE_HZ
"""Most audio that the turn model hears."""


class TicketBuilder:
    """Builder of one session's tickets."""

    def __init__(
        self,
        config: SessionConfig,
        policy: LivePolicy,
        context: SessionContext,
        buffer: RollingBuffer,
        track: VadTrack,
        vocabularies: Vocabularies,
        voices: LiveVoices | None = None,
    ) -> None:
        self._config = config
        self._policy = policy
        self._context = context
        self._buffer = buffer
        self._track = track
        self._vocabularies = vocabularies
        self._voices = voices

    def draft(self, kind: Kind, utterance: Utterance) -> Ticket:
        """Build a draft of the open utterance, with all audio received so far."""
        self._trim_window(utterance)
        begin = utterance.window_start
        stable_before = [word for word in utterance.agreement.stable if word.end_ms <= begin // SAMPLES_PER_MS + 100]
        end = self._buffer.end
        language = self._config.language
        if language is None:
            language = utterance.draft_language.choose(self._voiced_s(utterance.start, end), self._context.spoken)
        prompt = join_texts(
            (self._config.prompt, self._context.text_before(utterance.start), join_words(stable_before))
        )
        ticket = self._ticket(kind, utterance, begin, end, language, prompt)
        utterance.decoded_to = ticket.end
        return ticket

    def final(self, utterance: Utterance, end: int) -> Ticket:
        """Build a decode of the whole utterance up to ``end``."""
        prompt, heard = self._told(utterance.start, end)
        quality = Quality.FULL
        if utterance.refused:
            # What the model was told may have misled it; if that was nothing, only a greedy decode is different.
            quality = Quality.FULL if prompt or heard else Quality.DRAFT
            prompt, heard = "", None
        earlier = None if heard is None else self._earlier(heard, utterance.start)
        return self._ticket(
            Kind.FINAL, utterance, utterance.start, end, self._config.language, prompt, quality, earlier
        )

    def told(self, utterance: Utterance) -> str:
        """Return all words that its final was told, as prompt or as what was said before."""
        if utterance.refused:
            return ""
        prompt, heard = self._told(utterance.start, utterance.end)
        return join_texts((prompt, join_words(heard.words) if heard else ""))

    def turn(self, utterance: Utterance, end: int) -> Ticket:
        """Build a question to the turn model: whether the utterance up to ``end`` is all that its speaker says."""
        begin = max(utterance.start, end - TURN_SAMPLES)
        return Ticket(Kind.TURN, begin, end, TurnRequest(self._buffer.as_float(begin, end)), utterance)

    def _voiced_s(self, begin: int, end: int) -> float:
        # Only whole windows: one that extends beyond the end may or may not have been processed yet.
        return self._track.voiced_within(begin, end) * WINDOW_MS / 1000

    def _told(self, start: int, end: int) -> tuple[str, AcousticContext | None]:
        """Return the prompt of a final, and the speech that it hears before it, whose words are not in the prompt."""
        heard, text = self._context.heard_before(start, end), self._context.text_before(start)
        if heard is not None:
            text = text[: max(0, len(text) - len(join_words(heard.words)))].rstrip()
        return join_texts((self._config.prompt, text)), heard

    def _earlier(self, heard: AcousticContext, start: int) -> EarlierSpeech:
        text = (" " if heard.words[0].space_before else "") + join_words(heard.words)
        return EarlierSpeech(self._buffer.as_float(heard.begin_sample, start), text, heard.language)

    def _ticket(
        self,
        kind: Kind,
        utterance: Utterance,
        begin: int,
        end: int,
        language: str | None,
        prompt: str,
        quality: Quality = Quality.DRAFT,
        earlier: EarlierSpeech | None = None,
    ) -> Ticket:
        windows = self._voices.wanted(begin, end) if self._voices and kind is Kind.FINAL else ()
        request = DecodeRequest(
            self._buffer.as_float(begin, end),
            language,
            self._config.task,
            prompt,
            quality,
            begin,
            utterance.memory,
            languages=self._config.languages,
            spoken_before=self._context.spoken,
            voiced_s=self._voiced_s(begin, end),
            keyterms=self._vocabularies.of_utterance(utterance.start, utterance.whole_end or end).keyterms,
            earlier=earlier,
            voice_windows=tuple((start - begin, stop - begin) for start, stop in windows),
        )
        return Ticket(kind, begin, end, request, utterance)

    def _trim_window(self, utterance: Utterance) -> None:
        """Limit a draft's window: beyond its maximum, it starts just before the end of the stable words."""
        window = self._buffer.end - utterance.window_start
        if window <= self._policy.window_ms * SAMPLES_PER_MS or not utterance.agreement.stable:
            return
        last_ms = utterance.agreement.stable[-1].end_ms
        utterance.window_start = max(utterance.window_start, (last_ms - 200) * SAMPLES_PER_MS)
