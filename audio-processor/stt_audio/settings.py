"""Settings of the audio-processor."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.process.folders import default_spool_dir
from stt_shared.process.settings import ReplicaSettings


class AudioSettings(ReplicaSettings):
    """Settings that the audio-processor reads from the environment."""

    audio_max_sessions: Annotated[int, Field(ge=1, le=10_000)] = Field(
        200, description="Live sessions that one replica decodes at once."
    )
    audio_max_jobs: Annotated[int, Field(ge=1, le=64)] = Field(
        8, description="Files that one replica decodes at once; at most four of them are one client's."
    )
    decoder_threads: Annotated[int, Field(ge=1, le=64)] = Field(
        2, description="Threads that resample bare samples; a compressed stream has a process of its own."
    )
    spool_dir: Path = Field(
        default_factory=default_spool_dir, description="Folder of uploads, shared with the gateway."
    )
    max_decoded_s: Annotated[float, Field(gt=0, le=48 * 3600)] = Field(
        4 * 3600.0, description="Longest audio, in seconds, that one session or file may decode to."
    )

    @property
    def max_decoded_samples(self) -> int:
        """``max_decoded_s`` in samples at 16 kHz."""
        return int(self.max_decoded_s * AUDIO_RATE_HZ)
