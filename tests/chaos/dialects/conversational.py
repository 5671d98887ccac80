"""Clients that are told their words: of OpenAI's Realtime API, of Deepgram's, and FreeSWITCH."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from chaos.dialects.base import Message, final_of
from chaos.talk import Talk
from stt_shared.contracts.session import AUDIO_RATE_HZ

_TRANSCRIPTION = "conversation.item.input_audio_transcription"


class _Numbered:
    """Numbers of a talk's finals, over all its connections."""

    def __init__(self, talk: Talk, offset_ms: float) -> None:
        self.offset_ms = offset_ms
        self._finals = len(talk.kind("final"))

    def _final(self, words: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The event for a text; none without words, which ``final`` never is."""
        self._finals += bool(words)
        return [final_of(self._finals, words)] if words else []


class OpenAIRealtime(_Numbered):
    """Sends again what is in no item that has its text, from the end of the last one that has."""

    def __init__(self, talk: Talk, offset_ms: float) -> None:
        super().__init__(talk, offset_ms)
        self.settled_ms: float | None = offset_ms
        self._ends_ms: dict[str, float] = {}
        self._has_ended = False

    def target(self, session_id: str) -> str:
        return f"/v1/realtime?intent=transcription&session_id={session_id}"

    def opening(self) -> Sequence[Message]:
        detection = {"type": "server_vad", "silence_duration_ms": 500}
        audio = {"format": {"type": "audio/pcm", "rate": AUDIO_RATE_HZ}, "transcription": {"language": "en"}}
        session = {"type": "transcription", "audio": {"input": {**audio, "turn_detection": detection}}}
        return [json.dumps({"type": "session.update", "session": session})]

    def audio(self, chunk: bytes) -> Message:
        return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(chunk).decode()})

    def ending(self) -> Sequence[Message]:
        self._has_ended = True
        return ['{"type":"input_audio_buffer.commit"}']

    def told(self, message: Message) -> Sequence[dict[str, Any]]:
        event = json.loads(message)
        match event["type"]:
            case "error":
                return [{"type": "error", "code": event["error"]["code"]}]
            case "input_audio_buffer.speech_stopped":
                self._ends_ms[event["item_id"]] = self.offset_ms + event["audio_end_ms"]
            case kind if kind == f"{_TRANSCRIPTION}.completed":
                self.settled_ms = self._ends_ms.get(event["item_id"], self.settled_ms)
                words = [{"word": word} for word in event["transcript"].split()]
                told = self._final(words)
                # The last item holds the end of the audio, which is silent.
                return [*told, {"type": "done"}] if self._has_ended and not words else told
        return ()


class Deepgram(_Numbered):
    """Sends again what is in no final result, from the end of the last one."""

    def __init__(self, talk: Talk, offset_ms: float) -> None:
        super().__init__(talk, offset_ms)
        self.settled_ms: float | None = offset_ms

    def target(self, session_id: str) -> str:
        audio = f"encoding=linear16&sample_rate={AUDIO_RATE_HZ}"
        return f"/v1/listen?{audio}&language=en&endpointing=500&session_id={session_id}"

    def opening(self) -> Sequence[Message]:
        return ()

    def audio(self, chunk: bytes) -> Message:
        return chunk

    def ending(self) -> Sequence[Message]:
        return ['{"type":"CloseStream"}']

    def told(self, message: Message) -> Sequence[dict[str, Any]]:
        event = json.loads(message)
        match event["type"]:
            case "Error":
                return [{"type": "error", "code": event["variant"]}]
            case "Metadata":
                return [{"type": "done"}]
            case "Results" if event["is_final"]:
                words = [
                    {"word": word["word"], "start_ms": round(word["start"] * 1000 + self.offset_ms)}
                    for word in event["channel"]["alternatives"][0]["words"]
                ]
                self.settled_ms = self.offset_ms + (event["start"] + event["duration"]) * 1000
                return self._final(words)
        return ()


class Freeswitch(_Numbered):
    """Never sends audio twice, as a switch cannot; it goes on with what is being said."""

    settled_ms: float | None = None

    def target(self, session_id: str) -> str:
        return f"/v1/freeswitch?sample_rate={AUDIO_RATE_HZ}&language=en&session_id={session_id}"

    def opening(self) -> Sequence[Message]:
        return ()

    def audio(self, chunk: bytes) -> Message:
        return chunk

    def ending(self) -> Sequence[Message]:
        return ['{"type":"stop"}']

    def told(self, message: Message) -> Sequence[dict[str, Any]]:
        event = json.loads(message)
        if event["type"] == "final":
            words = [{**word, "start_ms": round(word["start_ms"] + self.offset_ms)} for word in event["words"]]
            return self._final(words)
        return [event] if event["type"] in ("done", "error") else ()
