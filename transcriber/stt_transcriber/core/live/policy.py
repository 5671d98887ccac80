"""Parameters for the transcription of a live session."""

from dataclasses import dataclass, field

from stt_transcriber.core.audio.vad_gate import GatePolicy
from stt_transcriber.core.schedule.scheduler import Kind


@dataclass(frozen=True)
class LivePolicy:
    """Parameters in milliseconds of audio, unless the name says wall time or another unit."""

    gate: GatePolicy = field(default_factory=GatePolicy)
    pre_roll_ms: int = 300  # audio kept before the onset: the VAD model reacts late
    min_speech_ms: int = 160  # less voice than this is a click, not a word
    speculative_final_ms: int = 200  # silence after which the final is decoded, so that it is ready at the endpoint
    sentence_endpointing_ms: int = 0  # silence that ends an utterance whose text ends a sentence; 0: no special case
    max_utterance_ms: int = 28_000  # the model's limit is 30 s
    cut_look_back_ms: int = 6_000  # range searched for a cut in an utterance that is too long
    first_partial_ms: int = 200  # speech before the first partial
    partial_interval_ms: int = 300
    young_ms: int = 1_500  # speech: up to this length there is hardly a word to read
    max_partial_interval_ms: int = 3_000  # WHISPER_ACCUMULATION_S
    max_uncommitted_ms: int = 5_000  # BUFFER_MAX_DURATION_S
    window_ms: int = 6_000  # a partial's window is trimmed at stable words beyond this
    margin_ms: int = 300  # words closer than this to the end of the audio do not become stable
    context_chars: int = 160  # end of the last final that is carried into the next utterance
    context_gap_ms: int = 3_000  # after longer silence than this, nothing is carried
    idle_commit_ms: int = 1_000  # step of the committed position during silence
    final_budget_wall_ms: int = 300  # deadlines, wall time
    first_budget_wall_ms: int = 300
    show_language_above: float = 0.5  # partials in a less probable language are not shown

    def budget_wall_ms(self, kind: Kind) -> float:
        """Return how long a decode may wait for a thread before it is late."""
        budgets = {Kind.FINAL: self.final_budget_wall_ms, Kind.FIRST: self.first_budget_wall_ms}
        return budgets.get(kind, self.max_partial_interval_ms)
