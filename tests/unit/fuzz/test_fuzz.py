"""The fuzzer: its seed repeats a run, it sees what it looks for, and a short run finds nothing."""

import random
import sys
from pathlib import Path

import pytest
from fuzz.files import fuzz_files
from fuzz.mutate import mutated
from fuzz.recordings import recordings
from fuzz.report import CRASH, HANG, INTERNAL, Tally
from fuzz.streams import fuzz_streams

from stt_audio.files.decoder_process import UNEXPECTED, DecoderProcess
from stt_audio.isolation.process import DecoderLost
from stt_shared.contracts.errors import SttError

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a crash is seen by its signal"),
]


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    return Tally("part", tmp_path / "findings")


def test_a_seed_repeats_its_mutations() -> None:
    seeds = list(recordings(0.2).values())
    assert len(seeds) > 20
    again = [[mutated(data, seeds, random.Random(f"{number}")) for number, data in enumerate(seeds)] for _ in range(2)]
    assert again[0] == again[1]
    assert sum(data != seed for data, seed in zip(again[0], seeds, strict=True)) > len(seeds) / 2


@pytest.mark.parametrize(
    ("error", "finding"),
    [
        (SttError("bad_audio", "the file crashes its decoder (SIGSEGV)"), CRASH),
        (SttError("internal", "the decoder failed"), INTERNAL),
        (SttError("bad_audio", UNEXPECTED), INTERNAL),
        (DecoderLost("exit code -9"), CRASH),
        (OSError("x"), INTERNAL),
    ],
)
def test_what_no_file_may_do_is_found(
    error: Exception, finding: str, tally: Tally, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: DecoderProcess) -> None:
        raise error

    monkeypatch.setattr(DecoderProcess, "open", fail)
    fuzz_files(1, 1, tally, concurrency=1)
    assert tally.findings == {finding: 1}
    assert len(list((tmp_path / "findings").iterdir())) == 1


def test_a_decoder_that_hangs_is_found(tally: Tally, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.files.HANG_S", 0.0)
    fuzz_files(1, 1, tally, concurrency=1)
    assert tally.findings == {HANG: 1}


def test_a_run_ends_in_time(tmp_path: Path) -> None:
    tally = Tally("part", tmp_path, limit_s=0.0)
    fuzz_files(1000, 1, tally)
    fuzz_streams(1000, 1, tally)
    assert not tally.outcomes


def test_a_short_run_finds_nothing(tally: Tally) -> None:
    fuzz_files(10, 1, tally)
    fuzz_streams(60, 1, tally)
    assert sum(tally.outcomes.values()) == 70
    assert not tally.findings, str(tally)
    assert tally.outcomes["decoded"]
    assert tally.outcomes["bad_audio"]
