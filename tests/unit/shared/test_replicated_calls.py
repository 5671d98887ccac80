"""Calls that too few replicas have, of a server that is a script."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from stt_shared.redis.outage import NotPermitted, Refused
from stt_shared.redis.pipeline import Pipeline

pytestmark = pytest.mark.unit


class ScriptedPipeline(Pipeline):
    """Pipeline over a connection that answers `WAIT` with ``having`` and all else with "done"."""

    def __init__(self, having: object) -> None:
        client: Any = None
        super().__init__(client, min_replicas=1)
        self._having = having
        self._connection = SimpleNamespace(retry=Retry(NoBackoff(), 5), disconnect=self._disconnect)
        self.round_trips = 0

    async def _disconnect(self, **_: Any) -> None:
        raise AssertionError("the connection is fine")

    async def _round_trips_over(self, connection: Any) -> Any:
        return SimpleNamespace(send=self._send)

    async def _send(self, packed: list[bytes]) -> list[Any]:
        self.round_trips += 1
        return [*([b"done"] * (len(packed) - 1)), self._having]


async def test_what_enough_replicas_have_is_answered() -> None:
    assert await ScriptedPipeline(1).command("SET", "a", 1) == b"done"


@pytest.mark.parametrize(
    ("having", "kind", "message"),
    [(0, Refused, "0 of 1 replicas have it"), (NotPermitted("NOPERM no wait"), NotPermitted, "NOPERM no wait")],
)
async def test_each_call_is_refused_by_an_error_of_its_own_after_one_attempt(
    having: object, kind: type[Exception], message: str
) -> None:
    pipeline = ScriptedPipeline(having)
    calls = [pipeline.command("SET", name, 1) for name in "ab"]
    one, other = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(one, kind)
    assert isinstance(other, kind)
    assert message in str(one)
    assert one is not other, "an error that is raised twice collects the tracebacks of both"
    assert pipeline.round_trips == 1
