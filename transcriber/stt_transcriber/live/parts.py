"""Resources and settings of live sessions."""

from collections.abc import Callable
from dataclasses import dataclass

from stt_shared.streams.bus import Bus
from stt_shared.work.crash_guard import CrashGuard
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.decode.pool import ModelPool
from stt_transcriber.vad.models import VadFactory


@dataclass(frozen=True)
class LiveParts:
    """Resources and settings that all sessions of a replica share."""

    bus: Bus
    pool: ModelPool
    new_vad: VadFactory
    policy: LivePolicy
    silence_s: float
    """Seconds without a frame from the gateway after which a session is ended."""
    guard: CrashGuard
    load_voices: Callable[[], object] = lambda: None
    """Loads the model that tells voices apart; raises ModelError if there is none."""
