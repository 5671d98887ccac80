"""Wall clocks that jump."""

from chaos.run import Run, scenario
from chaos.suite import Setup
from chaos.talk import speak_sdk


@scenario("clock-of-services", Setup(fake_clock="services"))
async def services(run: Run) -> None:
    """The wall clock of all services is set back by an hour, and forward again."""
    await _jump(run, -3600)


@scenario("clock-of-redis", Setup(fake_clock="redis"))
async def redis(run: Run) -> None:
    """The wall clock of Redis is set back by ten seconds, and forward again."""
    await _jump(run, -10)


async def _jump(run: Run, back_s: int) -> None:
    async with run.crowd(speak_sdk) as crowd:
        for number in range(2 * run.rounds(3)):
            run.suite.set_clock(0 if number % 2 else back_s)
            run.row.faults += 1
            run.row.session_faults += len(crowd.mid_speech)
            await run.pause(2.0, 4.0)
    run.suite.set_clock(0)
