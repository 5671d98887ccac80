"""Times as events and views tell them."""

import pytest

from stt_shared.contracts.events import iso_timestamp

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("wall_ms", [1_767_225_601_234, 1_767_225_601_234.4, 1_767_225_601_234.9997])
def test_a_time_is_told_alike_before_and_after_it_is_stored_as_a_whole_number(wall_ms: float) -> None:
    assert iso_timestamp(wall_ms) == iso_timestamp(int(wall_ms)) == "2026-01-01T00:00:01.234Z"
