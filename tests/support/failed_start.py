"""Programs that cannot start: how they end, and what they say."""

import asyncio
import os
import sys


async def failed_start(*arguments: str, cwd: str | None = None, **settings: str) -> tuple[int | None, str]:
    """Exit code and stderr of ``python ARGUMENTS`` with these settings in its environment."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments), env={**os.environ, **settings}, cwd=cwd, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, said.decode()
