"""What a suite must still be after random input: alive, healthy, and without an exception in its logs."""

from support.process_suite import Suite

from fuzz.report import CRASH, HANG, INTERNAL, Tally


async def look_for_damage(suite: Suite, tally: Tally) -> None:
    """Find what has died, hangs, or met what it did not expect."""
    for name in suite.deaths:
        tally.find(CRASH, name, "the process has ended")
    if not await suite.healthy():
        tally.find(HANG, "health", str(await suite.health()))
    for line in suite.logs().splitlines():
        if '"exception"' in line or "Traceback" in line:
            tally.find(INTERNAL, "log", line[:2000])
