"""Manifests of recordings, and the order in which sessions play them."""

import wave
from pathlib import Path
from typing import Any

import pytest
from support.bench_samples import utterance, write_manifest

from stt_cli.bench.manifest import SpokenWord, deal, read_manifest
from stt_cli.errors import CliError

pytestmark = pytest.mark.unit


def write_wav(path: Path, seconds: float) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(round(32_000 * seconds)))


def test_a_manifest_names_recordings_from_its_own_folder(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 0.5)
    rows = (
        {"path": "a.wav", "text": "one two", "words": [["one", 0.1, 0.2], ["two", 0.2, 0.4]], "lang": "en", "id": 1},
        "",
        {"path": "a.wav", "text": "three"},
        {"path": "missing.wav", "text": None, "lang": "en"},
        {"path": "missing.wav", "text": "vier", "lang": "de"},
        {"path": "missing.wav", "text": "four", "lang": "en", "kind": "long"},
    )
    first, second = read_manifest(write_manifest(tmp_path, *rows), "en")
    assert first.words == (SpokenWord("one", 0.1, 0.2), SpokenWord("two", 0.2, 0.4))
    assert (first.duration_s, second.text, second.words) == (0.5, "three", ())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["not json"], "line 1"),
        ([{"text": "no path"}], "line 1"),
        ([{"path": "a.wav", "text": "one", "words": [["one", 0.1]]}], "line 1"),
        ([{"path": "a.wav", "text": "uno", "lang": "es"}], "names no recording with a text in en"),
        ([{"path": "gone.wav", "text": "one"}], "gone.wav"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_by_name(tmp_path: Path, rows: list[Any], expected: str) -> None:
    with pytest.raises(CliError, match=expected):
        read_manifest(write_manifest(tmp_path, *rows), "en")


def test_sessions_play_the_same_order_again_with_the_same_seed_and_other_orders_beside_each_other() -> None:
    given = [utterance(f"{number}.wav") for number in range(6)]
    hands = deal(given, sessions=3, seconds=30, gap_s=1.5, seed=7)
    assert hands == deal(given, sessions=3, seconds=30, gap_s=1.5, seed=7)
    assert hands[0] != hands[1] != hands[2]
    # 2.5 s each: twelve fill half a minute, every recording twice.
    assert [len(hand) for hand in hands] == [12, 12, 12]
    assert sorted(hands[0], key=str)[::2] == given
