"""The embedded server as the launcher uses it."""

import os
import signal
import time
from pathlib import Path

import pytest

from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.redis.client import connect_sync

pytestmark = pytest.mark.contract


def test_it_comes_back_under_the_same_address_after_a_kill_and_leaves_nothing() -> None:
    server = EmbeddedRedis()
    server.start()
    url, folder = server.url, Path(server.url.removeprefix("unix://")).parent
    try:
        with connect_sync(url) as client:
            assert client.set("word", "kept")
        os.kill(server.pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while not server.has_ended and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.has_ended
        server.start()
        assert not server.has_ended
        assert server.url == url
        with connect_sync(url) as client:
            assert client.get("word") is None
    finally:
        server.stop()
    assert not folder.exists()
    assert not server.has_ended
