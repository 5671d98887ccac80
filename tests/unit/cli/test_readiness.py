"""The health that the launcher waits for."""

import pytest

from stt_cli.http.readiness import Health, read_health

pytestmark = pytest.mark.unit


def test_a_health_answer_says_what_is_still_missing() -> None:
    health = read_health(b'{"status":"unhealthy","services":{"redis":"connected","whisper":"loading"}}')
    assert not health.is_healthy
    assert health.unready() == "whisper loading"
    assert read_health(b"<html>") == Health()
    assert read_health(b'{"status":"healthy"}').is_healthy
