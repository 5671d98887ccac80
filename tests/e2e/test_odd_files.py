"""Odd files through the whole suite: the words of the recording, at their times."""

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from support import encoders
from support.file_client import finished, post
from support.launched_suite import Suite
from support.live_client import words
from support.odd_files import NOISY, ROWS, OddFile
from support.recordings import BECKETT_TEXT

pytestmark = pytest.mark.e2e

TOLERANCE_S = 0.4
"""Encoders move the sound a little, and a narrow band moves the edges of words."""
TRANSCRIBED = [row for row in (*NOISY, *ROWS) if row.transcribed]


async def transcribed(suite: Suite, name: str, data: bytes) -> dict:
    async with httpx2.AsyncClient(base_url=suite.url, timeout=60) as client:
        view = await finished(client, await post(client, name, data, language="en"))
    assert view["status"] == "completed", view
    return view["result"]


def timed_words(result: dict) -> list[tuple[str, float]]:
    return [
        (word, timed["start"])
        for part in result["segments"]
        for timed in part["words"]
        for word in words(timed["word"])
    ]


@pytest.mark.parametrize("row", TRANSCRIBED, ids=lambda row: row.name)
async def test_an_odd_file_is_transcribed(suite: Suite, beckett: NDArray[np.float32], row: OddFile) -> None:
    plain = timed_words(await transcribed(suite, "plain.wav", encoders.encoded(beckett, "wav", "pcm_s16le", 16000)))
    assert [word for word, _ in plain] == words(BECKETT_TEXT)
    result = await transcribed(suite, "upload.bin", row.make(beckett))
    assert "warnings" not in result
    assert result["duration"] == pytest.approx(row.starts_s[-1] + len(beckett) / 16000, abs=TOLERANCE_S)
    heard = timed_words(result)
    expected = [(word, start_s + begin_s) for begin_s in row.starts_s for word, start_s in plain]
    assert [word for word, _ in heard] == [word for word, _ in expected]
    for (word, start_s), (_, expected_s) in zip(heard, expected, strict=True):
        assert start_s == pytest.approx(expected_s, abs=TOLERANCE_S), word
