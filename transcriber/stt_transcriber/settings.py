"""Settings of the transcriber."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from stt_shared.contracts.engines import EngineName
from stt_shared.contracts.services import TranscriberWork
from stt_shared.contracts.session import MAX_UTTERANCE_S
from stt_shared.process.cpus import usable_cpus
from stt_shared.process.folders import user_models_dir
from stt_shared.process.settings import ReplicaSettings
from stt_transcriber.core.live.policy import LivePolicy, TurnPolicy


class TranscriberSettings(ReplicaSettings):
    """Settings that the transcriber reads from the environment; see docs/operations.md."""

    whisper_model: str = Field("base", min_length=1, description="Name, folder or hub id of the Whisper model.")
    whisper_engine: EngineName = Field(
        EngineName.AUTO,
        description="What runs the model; auto: onnxruntime on a CPU if it can, otherwise faster-whisper.",
    )
    models_dir: Path = Field(user_models_dir(), description="Folder of installed models.")
    device: Literal["cpu", "cuda", "auto"] = Field("cpu", description="Where the model runs.")
    compute_type: str = Field("int8", description="Number format of the weights, as CTranslate2 names it.")
    streaming_workers: Annotated[int, Field(ge=0, le=64)] = Field(
        0, description="Decodes that run at once; 0 = one per usable CPU."
    )
    worker_concurrency: Annotated[int, Field(ge=0, le=64)] = Field(
        0, description="File chunks taken at once; 0 = as many as are decoded at once. Live work goes first."
    )
    max_sessions: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0,
        description="Live sessions of one replica; 0 = as many as there is time for, measured all the time.",
        alias="TRANSCRIBER_MAX_SESSIONS",
    )
    work: TranscriberWork = Field(
        TranscriberWork.ALL,
        description="What this replica works on: live sessions, files, or all.",
        alias="TRANSCRIBER_WORK",
    )
    vad: Literal["silero", "rms"] = Field("silero", description="Voice activity detection; rms needs no model.")
    buffer_max_duration_s: Annotated[float, Field(ge=1, le=25)] = Field(
        5.0, description="Longest audio after the last stable word; beyond it words become stable unconfirmed."
    )
    max_utterance_s: Annotated[int, Field(ge=5, le=MAX_UTTERANCE_S)] = Field(
        MAX_UTTERANCE_S, description="Longest utterance; a longer one is cut at a quiet place."
    )
    whisper_accumulation_s: Annotated[float, Field(ge=0.2, le=30)] = Field(
        3.0, description="Longest interval between two partial decodes of a session, however busy the model is."
    )
    partial_interval_s: Annotated[float, Field(ge=0.1, le=30)] = Field(
        0.3, description="Shortest interval between two partial decodes of a session; load stretches it."
    )
    draft_batch: Annotated[int, Field(ge=1, le=32)] = Field(
        1,
        description="Most partial decodes of several sessions in one batch; more than one paid off on no CPU measured.",
    )
    context_chars: Annotated[int, Field(ge=0, le=800)] = Field(
        0, description="Characters of the last final that prompt the next utterance; 0 = none."
    )
    acoustic_context_s: Annotated[float, Field(ge=0, le=10)] = Field(
        5.0, description="Speech that a final hears again if it begins right after another; 0 = none."
    )
    stall_after_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        30.0, description="A decode that takes longer makes the replica unhealthy."
    )
    session_silence_s: Annotated[float, Field(ge=10, le=86_400)] = Field(
        900.0, description="A session whose gateway sends nothing for this long is ended."
    )

    def workers(self) -> int:
        """Return the number of decodes that run at once."""
        return self.streaming_workers or usable_cpus()

    def threads_per_worker(self) -> int:
        """Return the number of threads per decode."""
        return max(1, usable_cpus() // self.workers())

    def policy(self, *, has_turn_model: bool = False, hears_earlier: bool = True) -> LivePolicy:
        """Return the policy of live sessions with these settings applied; ``hears_earlier``: as in ``Engine``."""
        max_utterance_ms = self.max_utterance_s * 1000
        return LivePolicy(
            turn=TurnPolicy(has_model=has_turn_model),
            max_utterance_ms=max_utterance_ms,
            cut_look_back_ms=min(LivePolicy.cut_look_back_ms, max_utterance_ms // 2),
            max_uncommitted_ms=int(self.buffer_max_duration_s * 1000),
            partial_interval_ms=int(self.partial_interval_s * 1000),
            max_partial_interval_ms=int(self.whisper_accumulation_s * 1000),
            context_chars=self.context_chars,
            acoustic_context_ms=int(self.acoustic_context_s * 1000) if hears_earlier else 0,
        )
