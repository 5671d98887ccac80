"""Queue of what the transcript store has yet to process."""

from stt_shared.redis.pipeline import Pipeline
from stt_shared.streams import keys

MAX_WAITING = 100_000
"""Approximate number of entries that may wait for the store; beyond it the oldest are dropped."""


class TranscriptQueue:
    """Queue of the transcript store: settled utterances and speech without a text."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def put(self, kind: str, body: bytes) -> None:
        """Queue an entry; may be repeated, since the store writes each entry idempotently."""
        await self._pipeline.command(
            "XADD", keys.TRANSCRIPTS_WAITING, "MAXLEN", "~", MAX_WAITING, "*", "kind", kind, "body", body
        )
