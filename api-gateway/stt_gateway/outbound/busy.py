"""Tasks that wait for strangers' servers: bounded, also for each host or client, so that nobody holds up the others."""

import asyncio
import collections
from collections.abc import Coroutine
from typing import Any

from stt_shared.process.tasks import cancel_and_wait


class BusyTasks:
    """At most ``at_once`` tasks, and ``per_name`` that have a name in common, such as a host."""

    def __init__(self, at_once: int, per_name: int) -> None:
        self._at_once = at_once
        self._per_name = per_name
        self._tasks: set[asyncio.Task[None]] = set()
        self._named: collections.Counter[str] = collections.Counter()

    @property
    def room(self) -> int:
        """How many more there may be."""
        return self._at_once - len(self._tasks)

    def may_begin(self, *names: str) -> bool:
        """Return whether there is room for a task with these names."""
        return all(self._named[name] < self._per_name for name in names)

    def begin(self, work: Coroutine[Any, Any, None], *names: str) -> None:
        """Start a task."""
        task = asyncio.create_task(work, name=names[0])
        self._tasks.add(task)
        self._named.update(names)

        def ended(_: "asyncio.Task[None]") -> None:
            self._tasks.discard(task)
            self._named.subtract(names)
            self._named += collections.Counter()  # forgets names without a task

        task.add_done_callback(ended)

    async def wait_for_room(self) -> None:
        """Wait until another task may begin."""
        while not self.room:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """End all tasks."""
        await cancel_and_wait(*self._tasks)
