"""The limit on what a session or file may decode to."""

import pytest

from stt_audio.codecs.length_limit import LengthLimit
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit


def test_the_limit_itself_is_allowed_and_one_sample_more_is_not() -> None:
    limit = LengthLimit(32_000, done_samples=16_000)
    limit.count(16_000)
    assert limit.left_samples == 0
    with pytest.raises(SttError, match="the audio is longer than the 2 s that are allowed") as caught:
        limit.count(1)
    assert caught.value.code == "too_large"


def test_what_ends_a_recording_counts_for_the_next_one() -> None:
    limit = LengthLimit(8_000)
    limit.count_tail(16_000)
    with pytest.raises(SttError, match=r"longer than the 0\.5 s"):
        limit.count(0)


def test_the_longest_limit_is_named_in_full() -> None:
    assert "the 172800 s" in LengthLimit(172_800 * 16_000).exceeded().message
