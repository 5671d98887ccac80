"""Client of the suite's live path, whose sessions survive lost connections.

    async with stt_client.connect("ws://127.0.0.1:8000", language="en") as session:
        await session.send(samples)
        await session.stop()
        async for event in session: ...

It handles lost connections, dying gateways and a Redis that lost all data. It needs `websockets` and nothing else of
the suite.
"""

from stt_client.errors import SessionError
from stt_client.progress import Event
from stt_client.session import LiveSession, connect

__all__ = ["Event", "LiveSession", "SessionError", "connect"]
