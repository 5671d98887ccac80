"""Server-sent events of a transcription that OpenAI's clients follow: text part by part, speakers, and the whole."""

from collections.abc import Iterator, Sequence
from typing import Any

from stt_gateway.core.openai.formats import logprobs, words_of
from stt_gateway.core.subtitles.diarized_json import diarized_json, duration_usage
from stt_shared.contracts.jobs import ChunkResult, JobResult, JobWord
from stt_shared.contracts.text import join_texts

Event = dict[str, Any]
"""One event; its ``type`` is also its name."""


class TextEvents:
    """Events of one transcription. The deltas, one after the other, are the text so far; nothing is taken back."""

    def __init__(self, *, with_logprobs: bool = False, with_segments: bool = False) -> None:
        self._with_logprobs = with_logprobs
        self._with_segments = with_segments
        self._sent = ""
        self._words = 0
        self.parts = 0
        """Parts that have been told."""

    def more(self, parts: Sequence[ChunkResult]) -> Iterator[Event]:
        """Yield the text of the next finished parts of the file, which follow those that were told."""
        for part in parts:
            self.parts += 1
            yield from self._delta(join_texts([self._sent, part.text]), words_of(part.segments))

    def end(self, result: JobResult) -> Iterator[Event]:
        """Yield what is left to tell: the rest of the text, the segments if they are wanted, and the whole."""
        words = words_of(result.segments)
        if result.text.startswith(self._sent):
            yield from self._delta(result.text, words[self._words :])
        if self._with_segments:
            yield from diarized_json(result.segments, result.text, result.duration)["segments"]
        more = {"logprobs": logprobs(result.text, words)} if self._with_logprobs else {}
        usage = duration_usage(result.duration)
        yield {"type": "transcript.text.done", "text": result.text, **more, "usage": usage}

    def _delta(self, text: str, words: Sequence[JobWord]) -> Iterator[Event]:
        delta = text[len(self._sent) :]
        if delta:
            self._sent = text
            self._words += len(words)
            more = {"logprobs": logprobs(delta, words)} if self._with_logprobs else {}
            yield {"type": "transcript.text.delta", "delta": delta, **more}
