"""Stage worker: takes sessions (or jobs) from the stage's work stream, owns them, and gives them to other replicas.

A session's entry in the stream is pending as long as the session has an owner at this stage. When the owner's heartbeat
is missing, any other replica may take the entry over (work/queue.py); the fence (``claim``) shuts out the former
owner. A stopping replica does not make others wait for that: it passes its entries on.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog

from stt_shared.process.tasks import cancel_and_wait, run_together
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import StreamKeys
from stt_shared.streams.ownership import Ownership, RolledBack
from stt_shared.work.queue import WorkItem as WorkItem
from stt_shared.work.queue import WorkQueue as WorkQueue

_log = structlog.get_logger()

_MOST_AT_ONCE = 4
_MOST_ADOPTED = 16
_LEFT_OVER_S = 0.25
"""Time that other replicas have to take what this one takes only if nobody else does."""
_MOST_BOUNCES = 16
"""Number of times that other replicas pass on a session meant for one replica; then the next reader accepts it."""


@dataclass(frozen=True)
class Assignment:
    """A session or job that this replica owns at this stage.

    ``fields``: its hash when this replica became the owner, to be read with SessionState or JobState. ``follows``: the
    dead replica that had it before, '' for none.
    """

    owner: Ownership
    fields: Mapping[bytes, bytes]
    follows: str = ""

    @property
    def replica_id(self) -> str:
        """This replica's id."""
        return self.fields.get(f"owner:{self.owner.stage}".encode(), b"").decode()


@dataclass(frozen=True)
class Source:
    """A stage's source of work: a stream, and a function that returns the keys of the id in an entry."""

    stream: str
    keys_of: Callable[[str], StreamKeys]


SESSIONS = Source(keys.SESSIONS_WAITING, keys.session_keys)
JOBS = Source(keys.JOBS_WAITING, keys.job_keys)


class _Lease:
    """An entry in hand and its state."""

    def __init__(self, item: WorkItem) -> None:
        self.item = item
        self.owner: Ownership | None = None
        self.leaving = False


class StageWorker:
    """Stage worker that takes sessions (or jobs) while it has capacity and runs ``handle`` for each in its own task.

    ``deletes``: this is the last stage that needs an entry. ``may_move``: returns whether the session with this id may
    move to another replica (see ``move_one``). With ``set_preferred`` a replica takes more than that number only of
    what no other replica takes.
    """

    def __init__(
        self,
        bus: Bus,
        source: Source,
        *,
        stage: str,
        replica_id: str,
        capacity: int,
        handle: Callable[[Assignment], Awaitable[None]],
        deletes: bool,
        may_move: Callable[[str], bool] = lambda work_id: True,
    ) -> None:
        self._bus = bus
        self._queue = WorkQueue(bus, source.stream, stage, replica_id)
        self._stage = stage
        self._replica_id = replica_id
        self._keys_of = source.keys_of
        self._capacity = self._preferred = capacity
        self._handle = handle
        self._deletes = deletes
        self._may_move = may_move
        self._running: dict[asyncio.Task[None], _Lease] = {}
        self._room = asyncio.Event()

    @property
    def running(self) -> int:
        """Number of sessions or jobs in hand."""
        return len(self._running)

    def set_preferred(self, preferred: int) -> None:
        """Set from how many sessions or jobs in hand on others are let first; those in hand stay."""
        self._preferred = min(preferred, self._capacity)
        self._room.set()

    async def run(self) -> None:
        """Take work until cancelled. Work in hand continues: see ``drain`` and ``hand_over``."""
        await run_together(self._take_new(), self._take_orphans())

    async def drain(self, timeout_s: float) -> None:
        """Wait for the work in hand, then cancel the rest; other replicas take it over when this one is gone."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        await cancel_and_wait(*self._running)

    async def hand_over(self) -> None:
        """Give all work in hand to other replicas at once; ``run`` must have ended.

        Without other replicas the work waits in the stream.
        """
        await asyncio.gather(*(self._give(task, lease) for task, lease in list(self._running.items())))

    async def move_one(self, to: str) -> bool:
        """Give one session that may move to the replica ``to``; False when there is none."""
        movable = [
            (task, lease)
            for task, lease in self._running.items()
            if lease.owner is not None and not lease.leaving and self._may_move(lease.owner.keys.id)
        ]
        if not movable:
            return False
        await self._give(*random.choice(movable), to=to)  # noqa: S311
        return True

    async def _take_new(self) -> None:
        while True:
            room, preferred = (most - len(self._running) for most in (self._capacity, self._preferred))
            if preferred <= 0:
                self._room.clear()
                try:
                    async with asyncio.timeout(_LEFT_OVER_S if room > 0 else None):
                        await self._room.wait()
                    continue
                except TimeoutError:
                    pass
            try:
                # A replica without room does not wait for entries, so it only gets what others have left.
                taking = self._queue.take(min(preferred, _MOST_AT_ONCE)) if preferred > 0 else self._queue.take(1, 1)
                for item in await taking:
                    await self._accept(item)
            except UNREACHABLE as error:
                _log.warning("work queue unavailable", stage=self._stage, cause=str(error))
                await asyncio.sleep(0.2)

    async def _take_orphans(self) -> None:
        """Take over work of dead replicas.

        This is a separate task, because an orphan would otherwise wait as long as the blocking read for new work.
        """
        while True:
            await asyncio.sleep(self._queue.next_scan_s())
            room = self._capacity - len(self._running)
            if room <= 0:
                continue
            try:
                for item in await self._queue.adopt(min(room, _MOST_ADOPTED)):
                    self._begin(item)
            except UNREACHABLE as error:
                _log.warning("work queue unavailable", stage=self._stage, cause=str(error))

    async def _accept(self, item: WorkItem) -> None:
        """Begin work on a new entry, unless it is for another stage or replica."""
        fields = item.fields
        if fields.get(b"stage", self._stage.encode()) != self._stage.encode():
            await self._queue.done(item, delete=False)
            return
        to, bounces = fields.get(b"to", b"").decode(), int(fields.get(b"bounces", b"0"))
        elsewhere = to not in ("", self._replica_id) and bounces < _MOST_BOUNCES
        # Orphans may have taken the last places during the read.
        if elsewhere or len(self._running) >= self._capacity:
            await self._pass_on(item, to, bounces + 1)
        else:
            self._begin(item)

    def _begin(self, item: WorkItem) -> None:
        lease = _Lease(item)
        task = asyncio.create_task(self._work(lease), name=f"{self._stage} work")
        self._running[task] = lease
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._room.set()

    async def _give(self, task: asyncio.Task[None], lease: _Lease, to: str = "") -> None:
        lease.leaving = True
        await cancel_and_wait(task)
        if not task.cancelled():
            return  # the work ended before the cancellation
        work_id = lease.item.fields[b"id"].decode()
        log = _log.bind(session_id=work_id, stage=self._stage)
        try:
            if lease.owner is not None:
                await self._bus.sessions.release(lease.owner)
            await self._pass_on(lease.item, to, 0)
            log.info("handed over", to=to or "anybody")
        except UNREACHABLE as error:
            # The entry stays pending under this replica's name, where this or another replica finds it.
            log.warning("not handed over: redis unavailable", cause=str(error))

    async def _take_again(self, lease: _Lease) -> None:
        """Queue the work again for any replica, which begins with what Redis has of it."""
        try:
            if lease.owner is not None:
                await self._bus.sessions.release(lease.owner)
            await self._pass_on(lease.item, "", 0)
        except UNREACHABLE:
            self._queue.release_entry(lease.item)

    async def _pass_on(self, item: WorkItem, to: str, bounces: int) -> None:
        """Replace an entry with a new one for this stage alone.

        Other stages may still need the original entry, so that one is deleted only when the work is done.
        """
        fields = item.fields
        fresh = {b"id": fields[b"id"], b"epoch": fields[b"epoch"], b"stage": self._stage.encode()}
        if self._deletes:
            fresh[b"first"] = fields.get(b"first", item.entry_id)
        # The replica that is still recorded as the owner if its release did not get through.
        fresh[b"from"] = (item.follows or fields.get(b"from", b"").decode() or self._replica_id).encode()
        if to:
            fresh[b"to"], fresh[b"bounces"] = to.encode(), str(bounces).encode()
        await self._queue.pass_on(item, fresh, delete=b"stage" in fields)

    async def _claim(self, at: StreamKeys, epoch: str, follows: str, item: WorkItem) -> Ownership | None:
        claim = partial(self._bus.sessions.claim, at, epoch, self._stage, self._replica_id, name=item.entry_id)
        owner = await claim(follows)
        if owner is None and follows:
            # A replica that took over but died before its claim left the name of the owner before it.
            before = await self._bus.sessions.owner_of(at, self._stage)
            if before and not await self._bus.replicas.is_alive(before):
                owner = await claim(before)
        return owner

    async def _work(self, lease: _Lease) -> None:
        item = lease.item
        work_id, epoch = item.fields[b"id"].decode(), item.fields[b"epoch"].decode()
        at = self._keys_of(work_id)
        log = _log.bind(session_id=work_id, stage=self._stage)
        deletes = self._deletes or b"stage" in item.fields
        follows = item.follows or (self._replica_id if item.found_again else item.fields.get(b"from", b"").decode())
        try:
            owner = lease.owner = await self._claim(at, epoch, follows, item)
            # A session that never had audio is deleted when its client leaves, perhaps at this moment.
            fields = await self._bus.sessions.all_fields(at) if owner is not None else {}
            if owner is not None and fields:
                log.info("taken over" if follows else "taken", fence=owner.fence)
                await self._handle(Assignment(owner, fields, item.follows))
                if await self._bus.sessions.is_rolled_back(owner):
                    raise RolledBack("the claim is missing")
            await self._queue.done(item, delete=deletes)
        except RolledBack as lost:
            log.warning("taken again", cause=str(lost))
            await self._take_again(lease)
        except UNREACHABLE as error:
            # The entry stays pending under this replica's name, where this or another replica finds it.
            self._queue.release_entry(item)
            log.warning("session given up: redis unavailable", cause=str(error))
        except Exception:
            # The only catch-all of this task: a broken session must not take the others with it.
            log.exception("work failed")
            await self._queue.done(item, delete=deletes)
