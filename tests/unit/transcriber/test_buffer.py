"""The rolling buffer of a session's audio."""

import numpy as np
import pytest

from stt_transcriber.core.audio.buffer import RollingBuffer

pytestmark = pytest.mark.unit


class TestBuffer:
    def test_positions_are_those_of_the_session(self) -> None:
        buffer = RollingBuffer(start=1000)
        buffer.append(np.arange(500, dtype=np.int16))
        buffer.append(np.arange(500, 1000, dtype=np.int16))
        buffer.drop_before(1200)
        assert (buffer.start, buffer.end) == (1200, 2000)
        assert np.array_equal(np.round(buffer.as_float(1300, 1303) * 32768), [300, 301, 302])
        assert len(buffer.as_float(0, 1201)) == 1

    def test_memory_does_not_keep_the_longest_utterance(self) -> None:
        buffer = RollingBuffer()
        buffer.append(np.zeros(16000 * 60, np.int16))
        buffer.drop_before(16000 * 59)
        assert buffer._samples.nbytes <= 2 * 2 * 16000

    def test_quietest(self) -> None:
        buffer = RollingBuffer()
        audio = np.full(16000, 9000, np.int16)
        audio[8000:9600] = 10
        buffer.append(audio)
        assert abs(buffer.quietest(0, 16000, 1600) - 8800) <= 400
