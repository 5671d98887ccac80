"""Frames of AMR. FFmpeg does not decode those for a pause, in which a phone sends nothing but the kind of noise."""

from typing import Any

import av

FRAME_BYTES = {
    "amrnb": (13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1),
    "amrwb": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1),
}
"""By FFmpeg's name of the codec: length of a frame, by its mode."""
_FIRST_PAUSE_MODE = {"amrnb": 8, "amrwb": 9}
_RATES_HZ = {"amrnb": 8000, "amrwb": 16000}
_FRAMES_PER_S = 50


def frame_mode(first_byte: int) -> int:
    """Return the mode of the frame that begins with ``first_byte``."""
    return first_byte >> 3 & 15


def pause(codec: str, packet: "av.Packet[Any]") -> av.AudioFrame | None:
    """Return 20 ms of silence for a frame without speech; None for any other frame or ``codec``."""
    if codec not in FRAME_BYTES or not packet.size or frame_mode(bytes(packet)[0]) < _FIRST_PAUSE_MODE[codec]:
        return None
    frame = av.AudioFrame("fltp", "mono", _RATES_HZ[codec] // _FRAMES_PER_S)
    frame.sample_rate, frame.pts, frame.time_base = _RATES_HZ[codec], packet.pts, packet.time_base
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    return frame
