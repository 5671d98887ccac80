"""Parameters for the transcription of a live session."""

from dataclasses import dataclass, field

from stt_transcriber.core.audio.vad_gate import GatePolicy
from stt_transcriber.core.schedule.scheduler import Kind


@dataclass(frozen=True)
class TurnPolicy:
    """Parameters for judging whether a speaker who pauses has finished; see ``core/live/turn.py``."""

    has_model: bool = False  # a turn model runs in this process; else the text alone decides
    reads_text: bool = True  # a text that ends in mid-sentence shows that its speaker goes on
    finished_above: float = 0.97  # probability from which the base silence ends an utterance
    unfinished_below: float = 0.5  # and up to which only the longest does; between them it is in between
    told_above: float = 0.8  # probability from which the client gets `turn_ended`
    surely_over: float = 0.95  # probability from which less than the base silence may end a sentence
    early_ms: int = 250  # that silence
    early_after_ms: int = 10_000  # length of an utterance from which it may
    lead_ms: int = 500  # so long before the silence is over, the final is decoded


@dataclass(frozen=True)
class LivePolicy:
    """Parameters in milliseconds of audio, unless the name says wall time or another unit."""

    gate: GatePolicy = field(default_factory=GatePolicy)
    turn: TurnPolicy = field(default_factory=TurnPolicy)
    pre_roll_ms: int = 300  # audio kept before the onset: the VAD model reacts late
    min_speech_ms: int = 160  # less voice than this is a click, not a word
    speculative_final_ms: int = 200  # silence after which the final is decoded, so that it is ready at the endpoint
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
    acoustic_context_ms: int = 5_000  # speech before a final that it hears again, at most; 0: none
    acoustic_gap_ms: int = 1_000  # after longer silence than this, it hears none
    longest_decode_ms: int = 29_500  # with that speech: the model's limit is 30 s
    idle_commit_ms: int = 1_000  # step of the committed position during silence
    final_budget_wall_ms: int = 300  # deadlines, wall time
    first_budget_wall_ms: int = 300
    turn_budget_wall_ms: int = 150
    show_language_above: float = 0.5  # partials in a less probable language are not shown

    def budget_wall_ms(self, kind: Kind) -> float:
        """Return how long a decode may wait for a thread before it is late."""
        budgets = {
            Kind.TURN: self.turn_budget_wall_ms,
            Kind.FINAL: self.final_budget_wall_ms,
            Kind.FIRST: self.first_budget_wall_ms,
        }
        return budgets.get(kind, self.max_partial_interval_ms)
