"""A job's hash as it is read: what is missing has its default, and what is no job is none."""

import msgspec
import pytest

from stt_shared.contracts.jobs import JobConfig, JobStatus
from stt_shared.streams.job_state import CUTTER, FIELDS, JobState

pytestmark = pytest.mark.unit

CONFIG = JobConfig("job-0123456789abcdef", "talk.wav")
LEAST = {b"epoch": b"e", b"config": msgspec.json.encode(CONFIG)}


def test_a_hash_without_epoch_or_config_is_no_job() -> None:
    assert JobState.read({}) is None
    assert JobState.read({b"language": b"en"}) is None
    assert JobState.read({b"epoch": b"e"}) is None


def test_fields_that_are_missing_have_defaults() -> None:
    state = JobState.read(LEAST)
    assert state == JobState("e", False, JobStatus.QUEUED, CONFIG)


def test_all_fields_are_read() -> None:
    given = {"state": "active", "status": "processing", "progress": "12.5", "chunks": "0", "handed": "3", "cutter": "x"}
    state = JobState.read({**LEAST, **{name.encode(): value.encode() for name, value in given.items()}})
    assert state is not None
    assert (state.is_active, state.status, state.progress) == (True, JobStatus.PROCESSING, 12.5)
    assert (state.chunks, state.dispatched, state.cutter) == (0, 3, b"x")
    assert set(given) <= {*FIELDS, CUTTER}


def test_a_status_that_this_version_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="paused"):
        JobState.read({**LEAST, b"status": b"paused"})
