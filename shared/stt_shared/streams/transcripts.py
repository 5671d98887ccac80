"""Queue of what the transcript store has yet to process."""

from typing import Any

import msgspec

from stt_shared.contracts.makers import LOCAL_MAKER, Maker
from stt_shared.redis.pipeline import Pipeline
from stt_shared.streams import keys

MAX_WAITING = 100_000
"""Approximate number of entries that may wait for the store; beyond it the oldest are dropped."""


_AT_ONCE = 500


class _Made(msgspec.Struct, frozen=True):
    """What an entry says about who made it."""

    maker: Maker = LOCAL_MAKER


_decode_made = msgspec.json.Decoder(_Made).decode


class TranscriptQueue:
    """Queue of the transcript store: settled utterances and speech without a text."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def put(self, kind: str, body: bytes) -> None:
        """Queue an entry; may be repeated, since the store writes each entry idempotently."""
        await self._pipeline.command(
            "XADD", keys.TRANSCRIPTS_WAITING, "MAXLEN", "~", MAX_WAITING, "*", "kind", kind, "body", body
        )

    async def delete_of(self, tenant: str) -> None:
        """Delete the entries of a tenant, those in the hands of a gateway included. May be repeated."""
        first = "-"
        while True:
            entries: Any = await self._pipeline.command(
                "XRANGE", keys.TRANSCRIPTS_WAITING, first, "+", "COUNT", _AT_ONCE
            )
            for entry_id, row in entries:
                fields = dict(zip(row[::2], row[1::2], strict=True))
                # Of a job there is only its id.
                if fields[b"kind"] != b"job" and _decode_made(fields[b"body"]).maker.tenant == tenant:
                    await self._pipeline.command("XDEL", keys.TRANSCRIPTS_WAITING, entry_id)
            if len(entries) < _AT_ONCE:
                return
            first = f"({entries[-1][0].decode()}"
