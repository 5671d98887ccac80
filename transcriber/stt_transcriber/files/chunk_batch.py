"""Batches of chunks: those taken from the queue together reach the model together, for a single decode."""

import asyncio

from stt_shared.work.stage import WorkItem
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.decode.pool import Decoded, ModelPool

BUDGET_MS = 60_000.0
GATHER_S = 0.1
"""Longest time that the chunks of a batch wait for each other: each queries Redis before it is decoded."""


class ChunkBatch:
    """Chunks that were taken together; once all are ready, they are submitted to the pool at once, as one batch."""

    def __init__(self, pool: ModelPool, size: int) -> None:
        self._pool = pool
        self._size = size
        self._arrived: set[bytes] = set()
        self._ready: list[_ChunkDecode] = []
        self._submitted = False
        self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._submit)

    async def decode(self, item: WorkItem, key: str, request: DecodeRequest) -> Hypothesis:
        """Decode the chunk and return the hypothesis. Raises RuntimeError when the engine fails."""
        chunk = _ChunkDecode(key, request)
        self._ready.append(chunk)
        self.leave(item)
        if self._submitted:
            self._submit()
        try:
            decoded = await chunk.decoded
        finally:
            self._ready = [other for other in self._ready if other is not chunk]
            self._pool.cancel(chunk)
        if decoded.hypothesis is None:
            raise RuntimeError(decoded.error)
        return decoded.hypothesis

    def leave(self, item: WorkItem) -> None:
        """Stop waiting for this chunk: it has requested its decode, or never will."""
        self._arrived.add(item.entry_id)
        if len(self._arrived) >= self._size:
            self._submit()

    def _submit(self) -> None:
        self._timer.cancel()
        self._submitted = True
        ready, self._ready = self._ready, []
        if ready:
            self._pool.submit(Kind.FILE_CHUNK, BUDGET_MS, *ready)


class _ChunkDecode:
    """Decode of one chunk, as a source for the pool. ``decoded``: its outcome."""

    def __init__(self, key: str, request: DecodeRequest) -> None:
        self.key = key
        self._request = request
        self.decoded: asyncio.Future[Decoded] = asyncio.get_running_loop().create_future()

    def next_request(self) -> DecodeRequest:
        return self._request

    async def deliver(self, decoded: Decoded) -> None:
        if not self.decoded.done():
            self.decoded.set_result(decoded)
