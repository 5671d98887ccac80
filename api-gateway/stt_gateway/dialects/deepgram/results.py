"""Messages of Deepgram's server, as text. Times are in seconds, channels are ``[number, of how many]``."""

from typing import Any

import msgspec

from stt_gateway.core.deepgram.file_answer import metadata_view, model_view
from stt_gateway.core.deepgram.parameters import TextForm
from stt_gateway.core.deepgram.words import SpokenWord, alternative, spaces_of
from stt_shared.contracts.events import Final, Partial


class Results:
    """Maker of the messages of one session. ``model``: the name of what runs, '' if it is not known."""

    def __init__(self, request_id: str, form: TextForm, channels: int) -> None:
        self._request_id = request_id
        self._form = form
        self._channels = channels
        self._speakers: dict[str, int] = {}
        self.model = ""

    def interim(self, event: Partial, channel: int) -> str:
        """Return what is being said; the times of its words are not known yet, so it has none."""
        return self._results(event.text, event.confidence, [], event.start_ms, event.end_ms, channel, is_final=False)

    def final(self, event: Final, channel: int, *, is_endpoint: bool, is_from_finalize: bool) -> str:
        """Return a finished text. ``is_endpoint``: a pause ended the speech."""
        return self._results(
            event.text,
            event.confidence,
            self._words(event),
            event.start_ms,
            event.end_ms,
            channel,
            is_endpoint=is_endpoint,
            is_from_finalize=is_from_finalize,
        )

    def finalized(self, position_ms: int) -> str:
        """Return the answer to a ``Finalize`` of audio whose texts have been sent already."""
        return self._results("", 0.0, [], position_ms, position_ms, 0, is_from_finalize=True)

    def speech_started(self, start_ms: int, channel: int) -> str:
        """Return the news that somebody speaks."""
        return _text({"type": "SpeechStarted", "channel": self._place(channel), "timestamp": start_ms / 1000})

    def utterance_end(self, last_word_end_ms: int, channel: int) -> str:
        """Return the news that nobody has spoken for as long as the client asked."""
        last_word_end = last_word_end_ms / 1000
        return _text({"type": "UtteranceEnd", "channel": self._place(channel), "last_word_end": last_word_end})

    def metadata(self, sha256: str, created: str, duration_ms: int) -> str:
        """Return the last message."""
        view = metadata_view(self._request_id, sha256, created, duration_ms / 1000, self._channels, self.model)
        return _text({"type": "Metadata", **view})

    def error(self, variant: str, description: str, message: str = "") -> str:
        """Return an error. ``message``: the client's, that could not be read."""
        view = {"type": "Error", "variant": variant, "description": description, "message": message}
        return _text({**view, "request_id": self._request_id})

    def configured(self, keyterms: list[str] | None) -> str:
        """Return the answer to ``Configure``; ``keyterms``: those that are in effect now, None if they stay."""
        more = {} if keyterms is None else {"keyterms": keyterms}
        return _text({"type": "ConfigureSuccess", "request_id": self._request_id, **more})

    def not_configured(self, description: str) -> str:
        """Return the refusal of ``Configure``."""
        code = "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"
        view = {"type": "ConfigureFailure", "request_id": self._request_id, "code": code, "description": description}
        return _text(view)

    def _results(
        self,
        text: str,
        confidence: float,
        words: list[SpokenWord],
        start_ms: int,
        end_ms: int,
        channel: int,
        *,
        is_final: bool = True,
        is_endpoint: bool = False,
        is_from_finalize: bool = False,
    ) -> str:
        model_id, info = model_view(self.model)
        return _text(
            {
                "type": "Results",
                "channel_index": self._place(channel),
                "duration": (end_ms - start_ms) / 1000,
                "start": start_ms / 1000,
                "is_final": is_final,
                "speech_final": is_endpoint,
                "channel": {"alternatives": [alternative(text, confidence, words, self._form)]},
                "metadata": {"request_id": self._request_id, "model_info": info, "model_uuid": model_id},
                "from_finalize": is_from_finalize,
            }
        )

    def _place(self, channel: int) -> list[int]:
        return [channel, self._channels]

    def _words(self, event: Final) -> list[SpokenWord]:
        parts = [word.word for word in event.words]
        speakers = self._speakers_of(event)
        return [
            SpokenWord(
                word.word, word.start_ms / 1000, word.end_ms / 1000, word.confidence, event.language, speaker, spaced
            )
            for word, spaced, speaker in zip(event.words, spaces_of(event.text, parts), speakers, strict=True)
        ]

    def _speakers_of(self, event: Final) -> list[int | None]:
        """Return for each word the number of its speaker, in the order in which they first speak."""
        names: list[str | None] = [event.speaker or None] * len(event.words)
        for turn in event.turns or ():
            names[turn.word :] = [turn.speaker] * (len(names) - turn.word)
        return [None if name is None else self._speakers.setdefault(name, len(self._speakers)) for name in names]


def _text(view: dict[str, Any]) -> str:
    return msgspec.json.encode(view).decode()
