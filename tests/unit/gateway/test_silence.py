"""A client counts as silent when it has been quiet for longer than its own rhythm explains; once per silence."""

import pytest

from stt_gateway.core.live.silence import ASSUMED_CONTAINER_CHUNK_MS, LONGEST_INTERVAL_MS, RECENT, SilenceWatch

pytestmark = pytest.mark.unit


def fed(every_ms: float, duration_ms: float | None, count: int, endpointing_ms: int = 500) -> SilenceWatch:
    watch = SilenceWatch(endpointing_ms)
    for number in range(count):
        watch.audio_arrived(number * every_ms, duration_ms)
        watch.audio_handled(number * every_ms)
    return watch


def test_without_audio_nobody_is_silent() -> None:
    assert SilenceWatch(500).deadline_ms is None


def test_who_sends_small_chunks_is_silent_after_the_endpointing_time() -> None:
    watch = fed(20.0, 20.0, 50)
    assert watch.deadline_ms == 49 * 20.0 + 500


def test_who_sends_a_second_once_a_second_is_not_cut_up() -> None:
    watch = fed(1000.0, 1000.0, 5)
    assert watch.deadline_ms is not None
    assert watch.deadline_ms > 5 * 1000.0 + 500, "half a second of lateness is no silence"


def test_the_first_chunk_already_tells_the_rhythm() -> None:
    assert fed(0.0, 1000.0, 1).threshold_ms == 1500.0
    assert fed(0.0, None, 1).threshold_ms == 1.5 * ASSUMED_CONTAINER_CHUNK_MS


def test_containers_go_by_the_rhythm_that_was_seen() -> None:
    assert fed(250.0, None, 20).threshold_ms == 500.0
    assert fed(1000.0, None, 20).threshold_ms == 2000.0


def test_the_rhythm_may_change() -> None:
    watch = fed(1000.0, 1000.0, 5)
    for number in range(RECENT + 1):
        watch.audio_arrived(5000.0 + 20 * number, 20.0)
        watch.audio_handled(5000.0 + 20 * number)
    assert watch.threshold_ms == 500.0


def test_a_long_pause_is_no_rhythm() -> None:
    watch = fed(20.0, 20.0, 10)
    watch.audio_arrived(9 * 20.0 + LONGEST_INTERVAL_MS + 1, 20.0)
    assert watch.threshold_ms == 500.0


def test_one_silence_is_told_once() -> None:
    watch = fed(20.0, 20.0, 10)
    watch.utterance_ended()
    assert watch.deadline_ms is None
    watch.audio_arrived(400.0, 20.0)
    watch.audio_handled(400.0)
    assert watch.deadline_ms is not None


def test_a_wait_on_our_side_is_not_the_clients_silence() -> None:
    watch = SilenceWatch(500)
    watch.audio_arrived(0.0, 20.0)
    watch.audio_handled(3000.0)
    assert watch.deadline_ms == 3500.0
    watch.audio_arrived(3001.0, 20.0)
    assert watch.threshold_ms == 500.0, "nor its rhythm"
