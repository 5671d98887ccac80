"""An operator takes a right or a password away while the suite runs, and gives it back."""

import asyncio
from pathlib import Path

import pytest
import redis
from chaos.oracle import speech
from chaos.talk import speak_raw
from support.gateway_harness import until
from support.ports import free_port
from support.process_suite import Suite, heard, running_suite, words_of

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.client import connect

pytestmark = [pytest.mark.contract, pytest.mark.timeout(240)]

USER = ("ACL", "SETUSER", "suite")
RIGHTS = ("~stt:*", "&stt:*", "+@all", "-@dangerous", "+info")
"""Those that docs/operations.md names."""


async def _health_says_so(suite: Suite) -> bool:
    health = await suite.health()
    return health["status"] == "unhealthy" and health["services"]["redis"] in ("unavailable", "unreachable")


async def test_rights_and_a_password_that_are_taken_away_are_a_pause(tmp_path: Path) -> None:
    port = free_port()
    with EmbeddedRedis(("--port", str(port))), redis.Redis(port=port) as server:
        server.execute_command(*USER, "reset", "on", ">first", *RIGHTS)
        url = f"redis://127.0.0.1:{port}"
        # Past the proxy, which knows no user.
        async with running_suite(tmp_path, url, REDIS_URL=f"redis://suite:first@127.0.0.1:{port}") as suite:
            talk = suite.talk("during", speech([20] * 3, [500, 900, 900]))
            talking = asyncio.create_task(speak_raw(talk))
            await until(lambda: talk.sent_ms >= 1000 or talk.ended, 30)
            for taken in (["-@scripting", "-@stream"], ["resetchannels", "&other:*"], ["resetpass", ">second"]):
                server.execute_command(*USER, *taken)
                server.client_kill_filter(_type="normal", skipme=True)
                await until(lambda: _health_says_so(suite))
                server.execute_command(*USER, "resetpass", ">first", *RIGHTS)
                await until(suite.healthy)
                await asyncio.sleep(0.5)
            await talking
            assert (talk.cause, heard(talk)) == ("", words_of(talk.speech)), suite.logs()[-3000:]
            assert suite.deaths == []
            assert "Traceback" not in suite.logs()
            assert '"exception"' not in suite.logs()


async def test_a_subscriber_returns_when_its_right_to_the_channel_does() -> None:
    port = free_port()
    with EmbeddedRedis(("--port", str(port))), redis.Redis(port=port) as server:

        def subscribed() -> bool:
            return bool(server.pubsub_numsub("stt:channel")[0][1])

        server.execute_command(*USER, "reset", "on", ">first", *RIGHTS)
        async with connect(f"redis://suite:first@127.0.0.1:{port}") as client:
            async with ChannelHub(client, "stt:replica:r1") as hub, hub.listen("stt:channel"):
                await until(subscribed)
                server.execute_command(*USER, "resetchannels")
                await until(lambda: not subscribed())
                # The probe of a quiet connection would find it later.
                await asyncio.sleep(0.4)
                server.execute_command(*USER, "&stt:*")
                await until(subscribed, 2)
