"""Cutting of a recording whose channels are kept apart: each channel at its own pauses."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.core.files.cutter import ChunkCutter, CutChunk


class ChannelCutters:
    """One cutter for each channel of a recording; a channel's silence is in no chunk.

    ``numbers``: of the channels, in the order of the samples; none for a recording that was mixed to one.
    """

    def __init__(self, numbers: Sequence[int], cutters: Sequence[ChunkCutter]) -> None:
        self._numbers: Sequence[int | None] = numbers or (None,)
        self.cutters = cutters

    @property
    def position(self) -> int:
        """Number of samples of each channel received."""
        return max(cutter.position for cutter in self.cutters)

    @property
    def settled(self) -> int:
        """Position before which no channel's audio is needed again."""
        return min(cutter.settled for cutter in self.cutters)

    def feed(self, start: int, samples: NDArray[np.int16]) -> list[CutChunk]:
        """Append samples [n, channels] from position ``start`` on; return the chunks that are ready, by their start.

        What a channel has received already, as after a takeover, is left out.
        """
        return self._in_order(
            [
                cutter.feed(samples[max(0, cutter.position - start) :, column])
                for column, cutter in enumerate(self.cutters)
            ]
        )

    def finish(self) -> list[CutChunk]:
        """End the recording; return the chunks that remain."""
        return self._in_order([cutter.finish() for cutter in self.cutters])

    def _in_order(self, by_channel: list[list[CutChunk]]) -> list[CutChunk]:
        chunks = [
            replace(chunk, channel=number)
            for number, of_channel in zip(self._numbers, by_channel, strict=True)
            for chunk in of_channel
        ]
        return sorted(chunks, key=lambda chunk: chunk.start)
