"""Choice of one of a file's audio tracks."""

import contextlib
from collections.abc import Sequence
from typing import Any, cast

import av
import av.container
import numpy as np
from av.stream import Disposition

from stt_audio.codecs.formats import CODECS
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import AudioTrack

LISTENED_S = 600.0
"""Audio of a track that is searched for a sound, if it is one of several."""
SILENCE_PEAK = 0.0005
"""Highest amplitude (of 1) of a track that counts as silent: -66 dBFS."""
MAX_LABEL_CHARS = 128


def choose_track(container: av.container.InputContainer, wanted: int | None) -> int:
    """Return the index of the audio track to transcribe: ``wanted`` (from 1), or else the first that is heard.

    Tracks that the file marks as default come first. Without any sound, it is the first that can be decoded. Consumes
    the container if it has several tracks. Raises SttError: bad_config if there is no track ``wanted``,
    unsupported_media if there is no audio.
    """
    streams = container.streams.audio
    if not streams:
        raise SttError("unsupported_media", "the file holds no audio track: a video without sound?")
    if wanted is not None:
        if wanted > len(streams):
            allowed = "only track=1 is" if len(streams) == 1 else f"its tracks are 1 to {len(streams)}, so those are"
            raise SttError("bad_config", f"the file has no audio track {wanted}; {allowed} allowed")
        return wanted - 1
    usable = [stream for stream in streams if codec_name(stream) in CODECS]
    usable.sort(key=lambda stream: not stream.disposition & Disposition.default)
    if not usable:
        return 0
    return streams.index(_first_heard(container, usable) if len(usable) > 1 else usable[0])


def codec_name(stream: av.AudioStream) -> str:
    """Return FFmpeg's name of the codec."""
    context = stream.codec_context
    return context.codec.name if context else "unknown"


def track_view(container: av.container.InputContainer, index: int) -> AudioTrack | None:
    """Return what clients see of a track; None if it is the only one."""
    streams = container.streams.audio
    if len(streams) == 1:
        return None
    language = streams[index].language or ""
    title = streams[index].metadata.get("title", "")
    return AudioTrack(index + 1, len(streams), "" if language == "und" else _label(language), _label(title))


def _label(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:MAX_LABEL_CHARS]


def _first_heard(container: av.container.InputContainer, ranked: Sequence[av.AudioStream]) -> av.AudioStream:
    heard: set[int] = set()
    listened_s = {stream.index: 0.0 for stream in ranked}
    # What is damaged is as good as silent.
    with contextlib.suppress(av.error.FFmpegError):
        for packet in container.demux(*ranked):
            index = packet.stream.index
            if index in heard or listened_s[index] >= LISTENED_S:
                continue
            with contextlib.suppress(av.error.FFmpegError):
                for frame in cast(list[av.AudioFrame], packet.decode()):
                    listened_s[index] += frame.samples / frame.sample_rate
                    if _peak(frame) > SILENCE_PEAK:
                        heard.add(index)
            candidates = (stream for stream in ranked if listened_s[stream.index] < LISTENED_S or stream.index in heard)
            best = next(candidates, ranked[0])
            if best.index in heard:
                return best
    return next((stream for stream in ranked if stream.index in heard), ranked[0])


def _peak(frame: av.AudioFrame) -> float:
    samples: Any = frame.to_ndarray()
    if samples.dtype == np.uint8:
        return float(np.abs(samples.astype(np.int16) - 128).max()) / 128
    full_scale = -float(np.iinfo(samples.dtype).min) if np.issubdtype(samples.dtype, np.integer) else 1.0
    return float(np.abs(samples.astype(np.float32)).max()) / full_scale
