"""Starts Firefox for Playwright, and stands between them.

    python firefox.py EXECUTABLE ARGUMENTS…

Playwright drives an installed Firefox by WebDriver BiDi, but sets the colour scheme of each page with a command that
released Firefoxes do not know, and gives up. Here that one command is answered as done; all else passes through.
"""

import asyncio
import json
import re
import sys

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

UNKNOWN_TO_FIREFOX = "emulation.setMediaFeaturesOverride"
_LISTENING = re.compile(r"(WebDriver BiDi listening on )ws://127\.0\.0\.1:(\d+)")
_ANY_SIZE = None


async def main(command: list[str]) -> int:
    """The exit status of the browser."""
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, limit=2**20)
    assert process.stderr is not None
    async for raw in process.stderr:
        line = raw.decode(errors="replace")
        if found := _LISTENING.search(line):
            port = await _bridge(int(found[2]))
            line = f"{found[1]}ws://127.0.0.1:{port}\n"
        sys.stderr.write(line)
        sys.stderr.flush()
    return await process.wait()


async def _bridge(browser_port: int) -> int:
    """Listens on a port of its own for as long as the loop runs."""

    async def joined(driver: ServerConnection) -> None:
        assert driver.request is not None
        address = f"ws://127.0.0.1:{browser_port}{driver.request.path}"
        async with connect(address, max_size=_ANY_SIZE, compression=None, ping_interval=None) as browser:
            async with asyncio.TaskGroup() as group:
                group.create_task(_to_browser(driver, browser))
                group.create_task(_to_driver(browser, driver))

    server = await serve(joined, "127.0.0.1", 0, max_size=_ANY_SIZE, compression=None, ping_interval=None)
    _servers.append(server)
    return next(iter(server.sockets)).getsockname()[1]


# A server that nobody refers to would be collected.
_servers: list[object] = []


async def _to_browser(driver: ServerConnection, browser: ClientConnection) -> None:
    async for message in driver:
        asked = json.loads(message)
        if asked["method"] == UNKNOWN_TO_FIREFOX:
            await driver.send(json.dumps({"type": "success", "id": asked["id"], "result": {}}))
        else:
            await browser.send(message)
    await browser.close()


async def _to_driver(browser: ClientConnection, driver: ServerConnection) -> None:
    async for message in browser:
        await driver.send(message)
    await driver.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
