"""Time limits of a live session: whose silence is too long, and what keepalives extend."""

import pytest

from stt_gateway.core.live.time_limits import FIRST_AUDIO_KEPT_S, FIRST_AUDIO_S, TimeLimits
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit


def code_of(limits: TimeLimits, now_s: float, *, has_audio: bool) -> str:
    try:
        limits.check_idle(now_s * 1000, has_audio=has_audio)
    except SttError as error:
        return error.code
    return ""


def test_a_session_without_audio_has_less_time() -> None:
    limits = TimeLimits(60, 100, now_ms=0)
    assert code_of(limits, FIRST_AUDIO_S, has_audio=False) == ""
    assert code_of(limits, FIRST_AUDIO_S + 1, has_audio=False) == "idle"
    assert code_of(limits, 60, has_audio=True) == ""
    assert code_of(limits, 61, has_audio=True) == "idle"


def test_keepalives_extend_the_time_without_audio_only_so_far() -> None:
    limits = TimeLimits(60, 1000, now_ms=0)
    for second in range(0, int(FIRST_AUDIO_KEPT_S) + 1, 5):
        limits.message_received(second * 1000)
        assert code_of(limits, second, has_audio=False) == ""
    limits.message_received((FIRST_AUDIO_KEPT_S + 1) * 1000)
    assert code_of(limits, FIRST_AUDIO_KEPT_S + 1, has_audio=False) == "idle"
    assert code_of(limits, FIRST_AUDIO_KEPT_S + 1, has_audio=True) == ""


def test_a_stopped_session_waits_for_its_workers_from_the_last_event_on() -> None:
    limits = TimeLimits(60, 1000, now_ms=0)
    limits.check_answered(60_000, last_event_ms=0)
    limits.check_answered(100_000, last_event_ms=50_000)
    with pytest.raises(SttError) as caught:
        limits.check_answered(111_000, last_event_ms=50_000)
    assert caught.value.code == "no_worker"


def test_a_session_ends_at_its_longest_duration_however_busy() -> None:
    limits = TimeLimits(60, 100, now_ms=5000)
    limits.message_received(105_000)
    assert not limits.is_too_long(105_000)
    assert limits.is_too_long(105_001)
