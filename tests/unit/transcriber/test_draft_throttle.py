"""How often one session drafts, and when its client is warned that drafts pause."""

import pytest

from stt_transcriber.core.schedule.draft_throttle import DraftThrottle
from stt_transcriber.core.schedule.pacing import DraftPacing

pytestmark = pytest.mark.unit

IDLE = DraftPacing(interval_ms=300, young_interval_ms=150, draft_ms=60, drafts=True, spare=True)
OVERLOADED = DraftPacing(interval_ms=3000, young_interval_ms=3000, draft_ms=60, drafts=False, spare=False)


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


BUSY = DraftPacing(interval_ms=900, young_interval_ms=900, draft_ms=60, drafts=True, spare=False)


def test_a_session_whose_drafts_cost_more_has_fewer_of_them_when_time_is_short() -> None:
    throttle = DraftThrottle()
    for second in range(20):
        throttle.took(120, second * 1000)
    throttle.began(20_000)
    assert not throttle.allows(BUSY, 21_700, just_begun=False)
    assert throttle.allows(BUSY, 21_900, just_begun=False)
    assert throttle.allows(IDLE, 20_300, just_begun=False), "but not while there is time to spare"


def test_however_much_drafts_cost_some_come() -> None:
    throttle = DraftThrottle()
    throttle.took(6000, 0)
    throttle.began(0)
    assert throttle.allows(BUSY, 2700, just_begun=False)


def test_cheap_drafts_are_not_more_frequent() -> None:
    throttle = DraftThrottle()
    for second in range(20):
        throttle.took(20, second * 1000)
    throttle.began(20_000)
    assert not throttle.allows(BUSY, 20_899, just_begun=False)
