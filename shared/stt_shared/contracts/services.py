"""Names of the services."""

import enum


class ServiceName(enum.StrEnum):
    """A service, as replicas, logs and metrics name it."""

    GATEWAY = "gateway"
    AUDIO_PROCESSOR = "audio-processor"
    TRANSCRIBER = "transcriber"


class TranscriberWork(enum.StrEnum):
    """What a transcriber works on, as its setting and its heartbeat name it."""

    ALL = "all"
    LIVE = "live"
    FILES = "files"
