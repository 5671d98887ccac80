"""How often one session drafts, and when its client is warned that drafts pause."""

import pytest

from stt_transcriber.core.schedule.draft_throttle import DraftThrottle
from stt_transcriber.core.schedule.pacing import DraftPacing

pytestmark = pytest.mark.unit

IDLE = DraftPacing(interval_ms=300, young_interval_ms=150, drafts=True, spare=True)
OVERLOADED = DraftPacing(interval_ms=3000, young_interval_ms=3000, drafts=False, spare=False)


def test_drafts_keep_the_interval_and_a_young_utterance_a_shorter_one() -> None:
    throttle = DraftThrottle()
    assert throttle.allows(IDLE, 0, just_begun=False)
    throttle.began(0)
    assert not throttle.allows(IDLE, 299, just_begun=False)
    assert throttle.allows(IDLE, 300, just_begun=False)
    assert not throttle.allows(IDLE, 149, just_begun=True)
    assert throttle.allows(IDLE, 150, just_begun=True)
    assert not throttle.allows(OVERLOADED, 10_000, just_begun=True)


def test_a_pause_of_drafts_is_reported_once_each_time() -> None:
    throttle = DraftThrottle()
    pacings = (IDLE, OVERLOADED, OVERLOADED, IDLE, OVERLOADED)
    assert [throttle.pauses(pacing) for pacing in pacings] == [False, True, False, False, True]
