"""Where a recording in MPEG-TS ends within a file: where its tables name other streams, or no packets follow."""

from collections import deque
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from stt_audio.codecs.sniff import begins_recording
from stt_audio.codecs.transport_stream import PACKET_BYTES, PROVEN_PACKETS, SYNC, TransportStreamParser

_STRIDES = (PACKET_BYTES, 192, 204)
"""Bytes from packet to packet: as they are, after a time stamp (M2TS), and with a checksum of broadcasts."""
_STAMP_BYTES = 4
_SEARCHED_BYTES = 16_384
"""Longest damage after which packets are looked for."""
_BLOCK_PACKETS = 5000
_MOST_UNDECIDED = 64
"""More packets than a parser leaves undecided."""


def transport_stream_end(file: BinaryIO, start: int, size: int) -> int:
    """Return the offset at which the recording ends that begins at ``start``; ``size``: that of the file."""
    tables, at = _Tables(), start
    while True:
        file.seek(at)
        head = file.read(_SEARCHED_BYTES + PROVEN_PACKETS * max(_STRIDES))
        if len(head) < PROVEN_PACKETS * max(_STRIDES):
            return size  # too little to tell; a cut packet or two
        offset, stride = _alignment(head)
        if not stride or (at > start and begins_recording(head)):
            return at
        at += offset
        stamp_bytes = _STAMP_BYTES if stride == 192 else 0
        while len(packets := _packets(file, at, stride)):
            end = tables.end(packets, at)
            if end is not None:
                return end - stamp_bytes
            at += len(packets) * stride


class _Tables:
    """The tables of a recording, which is all that is read of it."""

    def __init__(self) -> None:
        self._parser = TransportStreamParser()
        self._fed_at: deque[int] = deque(maxlen=_MOST_UNDECIDED)

    def end(self, packets: NDArray[np.uint8], at: int) -> int | None:
        """Return the offset of the first packet with other streams; None if all are of this recording. ``at``: that of
        the first packet."""
        pids = (packets[:, 1].astype(np.uint16) & 0x1F) << 8 | packets[:, 2]
        first = 0
        while True:
            table_pids = self._parser.table_pids
            for index in (np.flatnonzero(np.isin(pids[first:], list(table_pids))) + first).tolist():
                self._fed_at.append(at + index * packets.strides[0])
                self._parser.feed(packets[index, :PACKET_BYTES].tobytes())
                if self._parser.ends:
                    return self._fed_at[-(self._parser.undecided_bytes // PACKET_BYTES)]
                if self._parser.table_pids != table_pids:
                    first = index + 1
                    break
            else:
                return None


def _alignment(data: bytes) -> tuple[int, int]:
    """Return where packets begin, and how far they are apart; (0, 0) where there are none."""
    for offset in range(_SEARCHED_BYTES):
        for stride in _STRIDES:
            if data[offset : offset + PROVEN_PACKETS * stride : stride] == SYNC * PROVEN_PACKETS:
                return offset, stride
    return 0, 0


def _packets(file: BinaryIO, at: int, stride: int) -> NDArray[np.uint8]:
    """Return the next packets, one a row, up to the first that does not begin like one."""
    file.seek(at)
    data = np.frombuffer(file.read(_BLOCK_PACKETS * stride), np.uint8)
    packets = data[: len(data) // stride * stride].reshape(-1, stride)
    wrong = np.flatnonzero(packets[:, 0] != SYNC[0])
    return packets[: wrong[0]] if len(wrong) else packets
