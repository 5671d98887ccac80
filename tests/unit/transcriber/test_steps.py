"""Marks of the crash guard around what a session on probation does."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from stt_shared.process.clock import wall_ms
from stt_shared.work.crash_guard import BEHIND_MS, Probation
from stt_transcriber.live.steps import SessionSteps

pytestmark = pytest.mark.unit


class Marks:
    """Steps of a probation, as the crash guard sees them. ``open``: whether one is marked; ``count``: all so far."""

    def __init__(self) -> None:
        self.open = False
        self.count = 0
        self.steps = SessionSteps(Probation(self._step))

    @contextlib.asynccontextmanager
    async def _step(self) -> AsyncIterator[None]:
        self.open = True
        self.count += 1
        yield
        self.open = False


async def test_a_frame_is_a_step_and_late_frames_share_one() -> None:
    marks = Marks()
    async with marks.steps.frame(wall_ms()):
        assert marks.open
    assert not marks.open
    for _ in range(3):
        async with marks.steps.frame(wall_ms() - 2 * BEHIND_MS):
            pass
        assert marks.open
    assert marks.count == 2
    await marks.steps.pause()
    assert not marks.open, "a quiet second ends it"


async def test_a_decode_is_marked_until_its_result() -> None:
    marks = Marks()
    async with marks.steps.frame(wall_ms()):
        await marks.steps.begin_decode()
    await marks.steps.pause()
    assert marks.open
    async with marks.steps.result():
        assert not marks.open, "what follows cannot kill the process"
        await marks.steps.begin_decode()
    assert marks.open, "the next decode"
    marks.steps.cancel_decode()
    await marks.steps.pause()
    assert not marks.open
    assert marks.count == 2


async def test_nothing_is_marked_after_the_probation() -> None:
    marks = Marks()
    await marks.steps.begin_decode()
    await marks.steps.clear()
    assert not marks.open
    async with marks.steps.frame(wall_ms()):
        await marks.steps.begin_decode()
    assert marks.count == 1


async def test_a_session_without_probation_takes_its_steps_unmarked() -> None:
    steps = SessionSteps(None)
    async with steps.frame(0):
        await steps.begin_decode()
    assert steps.decoding
    async with steps.result():
        assert not steps.decoding
    await steps.clear()
