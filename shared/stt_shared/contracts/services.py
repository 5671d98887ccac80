"""Names of the services."""

import enum


class ServiceName(enum.StrEnum):
    """A service, as replicas, logs and metrics name it."""

    GATEWAY = "gateway"
    AUDIO_PROCESSOR = "audio-processor"
    TRANSCRIBER = "transcriber"
