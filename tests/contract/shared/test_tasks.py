"""Ending a task that is in the middle of a Redis command."""

import asyncio
import gc

import pytest
from redis.asyncio import Redis

from stt_shared.process.tasks import cancel_and_wait, run_together

pytestmark = pytest.mark.contract


@pytest.mark.parametrize("turns", range(9))
async def test_a_task_ends_at_whatever_moment_of_a_command_it_is_cancelled(redis_client: Redis, turns: int) -> None:
    """A transcriber that got SIGTERM while its model loaded never stopped: redis-py had swallowed the cancellation of
    the task that asks for work, and the process waited for that task."""

    async def work() -> None:
        while True:
            await redis_client.set("key", 1)
            await asyncio.sleep(60)

    await redis_client.ping()
    task = asyncio.create_task(work())
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await cancel_and_wait(task)
    assert task.done()


async def test_being_cancelled_while_waiting_passes_on_after_the_end() -> None:
    """A task that had lost its cancellation was left alone when its owner was cancelled too, and lived for ever."""
    losses = iter(range(1))

    async def loses_a_cancellation() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if next(losses, None) is None:
                    raise

    task = asyncio.create_task(loses_a_cancellation())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(cancel_and_wait(task, again_s=0.2))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert task.cancelled()


async def test_a_tasks_own_error_is_not_the_callers() -> None:
    async def fails() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("its own business")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert isinstance(task.exception(), ValueError)


async def test_all_are_cancelled_even_if_the_caller_is_meanwhile() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.3)

    tasks = [asyncio.create_task(stubborn()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting = asyncio.create_task(cancel_and_wait(*tasks))
    await asyncio.sleep(0.1)
    waiting.cancel()
    await asyncio.wait(tasks, timeout=2)
    assert all(task.cancelled() for task in tasks)


async def test_nobody_reports_what_two_tasks_failed_of_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """The second error of ``run_together`` had come to the log as never retrieved."""

    async def fails() -> None:
        await asyncio.sleep(0.05)
        raise ValueError("at once")

    with pytest.raises(ValueError, match="at once"):
        await run_together(fails(), fails())
    gc.collect()
    await asyncio.sleep(0)
    assert "never retrieved" not in caplog.text
