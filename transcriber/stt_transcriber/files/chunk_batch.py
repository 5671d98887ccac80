"""Batches of chunks: those taken from the queue together reach the model together, for a single decode."""

import asyncio

from stt_shared.work.stage import WorkItem
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.decode.pool import Decoded, DecodeOrder, ModelPool

BUDGET_MS = 60_000.0
GATHER_S = 0.1
"""Longest time that the chunks of a batch wait for each other: each queries Redis before it is decoded."""


class ChunkBatch:
    """Chunks that were taken together; once all are ready, they are submitted to the pool at once, as one batch."""

    def __init__(self, pool: ModelPool, size: int) -> None:
        self._pool = pool
        self._expected = size
        self._came: set[bytes] = set()
        self._asked: list[DecodeOrder] = []
        self._told = False
        self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._tell)

    async def decode(self, item: WorkItem, key: str, request: DecodeRequest) -> Hypothesis:
        """Decode the chunk and return the hypothesis. Raises RuntimeError when the engine fails."""
        answer: asyncio.Future[Decoded] = asyncio.get_running_loop().create_future()

        async def end(decoded: Decoded) -> None:
            if not answer.done():
                answer.set_result(decoded)

        self._asked.append(DecodeOrder(key, Kind.BATCH, BUDGET_MS, lambda: request, end))
        self.leave(item)
        if self._told:
            self._tell()
        try:
            decoded = await answer
        finally:
            self._asked = [asked for asked in self._asked if asked.key != key]
            self._pool.cancel(key)
        if decoded.hypothesis is None:
            raise RuntimeError(decoded.error)
        return decoded.hypothesis

    def leave(self, item: WorkItem) -> None:
        """Stop waiting for this chunk: it has requested its decode, or never will."""
        self._came.add(item.entry_id)
        if len(self._came) >= self._expected:
            self._tell()

    def _tell(self) -> None:
        self._timer.cancel()
        self._told = True
        asked, self._asked = self._asked, []
        if asked:
            self._pool.submit_all(asked)
