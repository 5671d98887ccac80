"""Cutting of a recording whose channels are kept apart: each channel at its own pauses, all in one language."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.core.files.cutter import ChunkCutter, CutChunk


class ChannelCutters:
    """One cutter for each channel of a recording; a channel's silence is in no chunk.

    ``numbers``: of the channels, in the order of the samples; none for a recording that was mixed to one. The channel
    that first has enough voice decides the language of the recording; the chunks of the others are held back until
    then.
    """

    def __init__(self, numbers: Sequence[int], cutters: Sequence[ChunkCutter]) -> None:
        self._numbers: Sequence[int | None] = numbers or (None,)
        self.cutters = cutters

    @property
    def decided(self) -> bool:
        """Whether the language was given, or the chunk that decides it was returned."""
        return self.cutters[0].decided

    @property
    def position(self) -> int:
        """Number of samples of each channel received."""
        return max(cutter.position for cutter in self.cutters)

    @property
    def settled(self) -> int:
        """Position before which no channel's audio is needed again."""
        return min(cutter.settled for cutter in self.cutters)

    @property
    def holds_chunks(self) -> bool:
        """Whether chunks are held back; if so after ``finish``, it must be called again."""
        return any(cutter.holds_chunks for cutter in self.cutters)

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
        """End the recording; return chunks that remain. Call again while ``holds_chunks``."""
        return self._in_order([cutter.finish() for cutter in self.cutters])

    def _in_order(self, by_channel: list[list[CutChunk]]) -> list[CutChunk]:
        deciding = [column for column, chunks in enumerate(by_channel) if chunks and chunks[0].decides]
        if deciding:
            # The one with the most voice decides, and all other chunks come after it.
            first = max(deciding, key=lambda column: _voice_samples(by_channel[column][0]))
            for column, cutter in enumerate(self.cutters):
                cutter.decided = True
                if column != first:
                    cutter.put_back(by_channel[column])
                    by_channel[column] = []
        chunks = [
            replace(chunk, channel=number)
            for number, of_channel in zip(self._numbers, by_channel, strict=True)
            for chunk in of_channel
        ]
        return sorted(chunks, key=lambda chunk: chunk.start)


def _voice_samples(chunk: CutChunk) -> float:
    return len(chunk.evidence) or chunk.voice_share * len(chunk.samples)
