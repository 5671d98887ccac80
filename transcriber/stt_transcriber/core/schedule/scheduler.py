"""Order of decodes: earliest deadline first, live sessions before files, one decode per session at a time.

Drafts of several sessions may be decoded together, and so may chunks of any files.

A session does not queue audio, only a request to be decoded; its decode uses all audio that is there when its turn
comes. Under load, requests are served less often, and finals, whose deadlines are nearer, come first.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Kind(enum.IntEnum):
    """Purpose of a decode. TURN: no text, but whether the speaker has finished."""

    TURN = 0
    FINAL = 1
    FIRST = 2
    PARTIAL = 3
    FILE_CHUNK = 4


_DRAFTS = (Kind.FIRST, Kind.PARTIAL)
_CHUNKS = (Kind.FILE_CHUNK,)


@dataclass(frozen=True)
class PendingDecode:
    """Request of a session (or chunk of a file) to be decoded by ``deadline_ms``; times are monotonic."""

    key: str
    kind: Kind
    deadline_ms: float
    since_ms: float


class Scheduler:
    """Scheduler that chooses the next decodes from the pending requests and the running decodes. Pure.

    ``max_batch``: most drafts decoded together; ``max_file_batch``: most chunks of files. ``files_give_way``: a decode
    of chunks yields its worker to live work at once, so live work starts even when files occupy all workers.
    """

    def __init__(
        self, workers: int, max_batch: int = 1, max_file_batch: int = 1, *, files_give_way: bool = False
    ) -> None:
        self._workers = workers
        self._max_batch = max_batch
        self.max_file_batch = max_file_batch
        self._files_give_way = files_give_way
        self._pending: dict[str, PendingDecode] = {}
        self._running: dict[str, tuple[int, Kind]] = {}  # key to its batch
        self._batches = 0
        self._live_sessions = 0

    @property
    def waiting(self) -> int:
        """Number of requests not yet started."""
        return len(self._pending)

    @property
    def running(self) -> int:
        """Number of windows being decoded."""
        return len(self._running)

    def sessions(self, count: int) -> None:
        """Set the number of live sessions; while there are any, files leave one worker free."""
        self._live_sessions = count

    def submit(self, request: PendingDecode) -> None:
        """Add a request, replacing an earlier one with the same key.

        If both are of the same kind, the earlier deadline and the start of the waiting time are kept.
        """
        earlier = self._pending.get(request.key)
        if earlier is not None and earlier.kind is request.kind:
            request = PendingDecode(
                request.key, request.kind, min(request.deadline_ms, earlier.deadline_ms), earlier.since_ms
            )
        self._pending[request.key] = request

    def cancel(self, key: str) -> None:
        """Remove the request of a key, if any."""
        self._pending.pop(key, None)

    @property
    def chunks_at_once(self) -> int:
        """Number of chunks of files that all workers together decode at once."""
        return self._workers * self.max_file_batch

    def batch_room(self) -> int:
        """Return how many more chunks of files could be decoded besides the running and waiting ones."""
        chunks = sum(kind is Kind.FILE_CHUNK for _, kind in self._running.values())
        chunks += sum(request.kind is Kind.FILE_CHUNK for request in self._pending.values())
        share = self._workers - 1 if self._live_sessions and self._workers > 1 else self._workers
        return max(0, share * self.max_file_batch - chunks)

    def decide(self) -> list[list[PendingDecode]]:
        """Return the batches to start, most urgent first; each holds drafts, chunks or one final.

        Every returned request must be followed by ``started`` or ``cancel``. Drafts, and likewise chunks, are batched
        only when more of them wait than workers are free, because a batch delays its first item.
        """
        busy = dict(self._running.values())  # batch to its kind
        free = self._workers - len(busy)
        free_for_live = free
        if self._files_give_way:
            free_for_live += sum(kind is Kind.FILE_CHUNK for kind in busy.values())
        ready = [request for request in self._pending.values() if request.key not in self._running]
        ready.sort(key=lambda request: (request.kind is Kind.FILE_CHUNK, request.deadline_ms, request.kind))
        batches: list[list[PendingDecode]] = []
        while ready:
            head = ready.pop(0)
            left = (free if head.kind is Kind.FILE_CHUNK else free_for_live) - len(batches)
            if left <= 0:
                break
            batch = [head]
            for kinds, most in ((_DRAFTS, self._max_batch), (_CHUNKS, self.max_file_batch)):
                if head.kind in kinds:
                    alike = [request for request in ready if request.kind in kinds]
                    share = -(-(len(alike) + 1) // left)
                    batch += alike[: min(share, most) - 1]
            ready = [request for request in ready if request not in batch]
            batches.append(batch)
        return batches

    def started(self, batch: Sequence[PendingDecode]) -> None:
        """Record that a batch was started, on one worker."""
        self._batches += 1
        for request in batch:
            self._pending.pop(request.key, None)
            self._running[request.key] = (self._batches, request.kind)

    def ended(self, batch: Sequence[PendingDecode]) -> None:
        """Record that a batch ended, successfully or not."""
        for request in batch:
            self._running.pop(request.key, None)
