"""What a container states about times: where the file's own clock begins, and where its audio ends."""

from dataclasses import dataclass

import av
import av.container

from stt_audio.codecs.formats import Media

STAMPED = frozenset(
    (
        *(Media.MOV, Media.MATROSKA, Media.OGG, Media.ASF, Media.FLV, Media.MPEGTS, Media.MPEGPS, Media.MXF),
        Media.AVI,
    )
)
"""Containers whose time stamps are real. FFmpeg counts those of the others from the audio itself."""
COUNTED = frozenset({Media.AVI})
"""Containers of these that state only where each track begins; from there on FFmpeg counts."""
BROADCAST = frozenset({Media.MPEGTS, Media.MPEGPS})
"""Containers whose stamps begin anywhere, and again where programmes are joined."""
SELF_FRAMED = frozenset({Media.MATROSKA, Media.OGG})
"""Containers without padding between packets: bytes that belong to no packet were passed over as damaged."""
_ESTIMATED = (
    *(*BROADCAST, Media.FLV, Media.MP3, Media.AAC, Media.LOAS, Media.AMR),
    *(Media.AC3, Media.EAC3, Media.DTS, Media.TRUEHD, Media.MLP),
)
"""Containers whose length FFmpeg estimates, from the bit rate or from the last stamp; it also estimates that of AVI
without a video, and of ADPCM a thousand times too long."""
_OWN_START = BROADCAST | {Media.OGG}
"""Containers of broadcasts: their first stamp may be any, and is their zero."""
_ENDS_AT_DURATION = frozenset({Media.MATROSKA, Media.OGG})
"""Containers whose duration counts from zero; that of others counts from their first stamp."""
_NO_TRACK_DURATION = STAMPED - {Media.MOV}
"""Containers that state the duration of the longest track only, which FFmpeg repeats for the others. Writers of AVI
differ in what they count as the audio's."""

MAX_LATE_START_S = 600.0
"""Later first stamps than this belong to a piece of a longer stream, whose own start is zero."""


@dataclass(frozen=True)
class FileClock:
    """Clock of a file whose stamps begin at ``origin_s``.

    ``end_s`` and ``audio_end_s``: stated ends of the file and of the audio track on that clock; 0 if unknown.
    """

    origin_s: float
    end_s: float = 0.0
    audio_end_s: float = 0.0


def file_clock(container: av.container.InputContainer, stream: av.AudioStream, media: Media) -> FileClock:
    """Return the clock that the container states."""
    first_s = (container.start_time or 0) / av.time_base
    is_late = media in STAMPED and media not in _OWN_START and 0 < first_s <= MAX_LATE_START_S
    origin_s = 0.0 if is_late else first_s
    if media in _ESTIMATED or (media is Media.AVI and not container.streams.video):
        return FileClock(origin_s)
    base_s = (0.0 if media in _ENDS_AT_DURATION else first_s) - origin_s
    end_s = container.duration / av.time_base + base_s if container.duration else 0.0
    if media in _NO_TRACK_DURATION or not (stream.duration and stream.time_base):
        return FileClock(origin_s, end_s)
    audio_end_s = float(((stream.start_time or 0) + stream.duration) * stream.time_base) - origin_s
    return FileClock(origin_s, max(end_s, audio_end_s), audio_end_s)
