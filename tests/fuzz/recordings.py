"""One small recording of each container and codec that can be made here."""

import math

import av
import numpy as np
from support.encoders import encoded

_FORMATS: tuple[tuple[str, str, int, dict[str, str]], ...] = (
    ("wav", "pcm_s16le", 16000, {}),
    ("wav", "pcm_mulaw", 8000, {}),
    ("wav", "adpcm_ima_wav", 16000, {}),
    ("w64", "pcm_s16le", 16000, {}),
    ("aiff", "pcm_s16be", 16000, {}),
    ("au", "pcm_s16be", 16000, {}),
    ("caf", "pcm_s16be", 16000, {}),
    ("caf", "aac", 44100, {}),
    ("flac", "flac", 16000, {}),
    ("ogg", "libopus", 48000, {}),
    ("ogg", "libvorbis", 44100, {}),
    ("ogg", "flac", 16000, {}),
    ("webm", "libopus", 48000, {}),
    ("webm", "libvorbis", 44100, {}),
    ("matroska", "pcm_s16le", 16000, {}),
    ("matroska", "aac", 44100, {}),
    ("mp3", "libmp3lame", 44100, {}),
    ("adts", "aac", 44100, {}),
    ("latm", "aac", 44100, {}),
    ("mp4", "aac", 44100, {}),
    ("mp4", "alac", 16000, {}),
    ("mp4", "aac", 44100, {"movflags": "frag_keyframe+empty_moov"}),
    ("mov", "pcm_s16be", 16000, {}),
    ("amr", "libopencore_amrnb", 8000, {}),
    ("asf", "wmav2", 44100, {}),
    ("ac3", "ac3", 48000, {}),
    ("eac3", "eac3", 48000, {}),
    ("flv", "aac", 44100, {}),
    ("mpegts", "aac", 44100, {}),
    ("mpegts", "mp2", 48000, {}),
)


def recordings(duration_s: float = 1.2) -> dict[str, bytes]:
    """Return recordings of a tone by name; those whose encoder this build of FFmpeg lacks are left out."""
    tone = np.sin(np.arange(int(16000 * duration_s)) * (2 * math.pi * 220 / 16000)).astype(np.float32) * 0.1
    made = {}
    for container, codec, rate, options in _FORMATS:
        name = "-".join((container, codec, *(["fragments"] if options else [])))
        try:
            made[name] = encoded(tone, container, codec, rate, options=options)
        except (av.error.FFmpegError, ValueError):
            continue
    return made
