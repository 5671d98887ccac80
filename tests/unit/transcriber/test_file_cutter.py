"""What becomes of a job whose cutting fails."""

import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from stt_shared.streams import keys
from stt_shared.streams.ownership import Ownership, RolledBack
from stt_shared.work.stage import Assignment
from stt_transcriber.files.cutter import FileCutter

pytestmark = pytest.mark.unit


class FailingGuard:
    """Guard of a stage that fails with ``error``."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @contextlib.asynccontextmanager
    async def stage(self, *_: Any) -> AsyncIterator[bool]:
        yield False
        raise self._error


@pytest.mark.parametrize(("error", "fails"), [(RolledBack("an earlier chunk is missing"), 0), (ValueError("bug"), 1)])
async def test_a_job_of_which_a_failover_has_lost_chunks_is_not_failed_but_taken_again(
    error: Exception, fails: int
) -> None:
    failed: list[tuple[Any, ...]] = []

    async def fail(*what: Any) -> None:
        failed.append(what)

    bus: Any = SimpleNamespace(jobs=SimpleNamespace(fail=fail))
    nothing: Any = None
    guard: Any = FailingGuard(error)
    cutter = FileCutter(bus, nothing, nothing, guard)
    with pytest.raises(type(error)):
        await cutter.handle(Assignment(Ownership(keys.job_keys("j"), "e", keys.STAGE_TRANSCRIBER, 1), {}))
    assert len(failed) == fails
