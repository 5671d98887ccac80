"""A live session without a transcriber around it: audio goes in, a test says what the model hears."""

import numpy as np

from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.session import SessionConfig, TakeoverState, VocabularyUpdate
from stt_transcriber.core.decoding import Hypothesis, TimedWord
from stt_transcriber.core.live.outcome import Advance, Outcome
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.core.live.start import live_session
from support.fake_vad import LoudnessVad


def heard(*words: tuple[str, float, float], **changes: object) -> Hypothesis:
    values: dict[str, object] = {
        "text": " ".join(word for word, _, _ in words),
        "words": tuple(TimedWord(word, start, end, 0.9) for word, start, end in words),
        "language": "en",
        "language_probability": 1.0,
        "avg_logprob": -0.2,
        "no_speech_prob": 0.01,
        "compression_ratio": 1.1,
    }
    return Hypothesis(**(values | changes))  # type: ignore[arg-type]


def steadily(seconds: float, word: str = "a") -> list[tuple[str, float, float]]:
    """A word each half second, numbered from the second on, so that they are no loop."""
    return [(f"{word}{i or ''}", i / 2, i / 2 + 0.5) for i in range(round(seconds * 2))]


class Driver:
    """Feeds a session 100 ms at a time and keeps what it says."""

    def __init__(self, policy: LivePolicy | None = None, **config: object) -> None:
        asked = SessionConfig(**config)  # type: ignore[arg-type]
        start = Advance(0, 0, TakeoverState())
        session = live_session("s", asked, policy or LivePolicy(), LoudnessVad, committed=start)
        assert isinstance(session, LiveSession)
        self.session = session
        self.seq = 0
        self.position = 0
        self.outcomes: list[Outcome] = []

    def audio(self, seconds: float, loud: bool) -> None:
        for _ in range(round(seconds * 10)):
            samples = np.full(1600, 5000 if loud else 0, np.int16)
            self.seq += 1
            meta = FrameMeta(received_ms=self.position / 16, start_sample=self.position)
            self.position += len(samples)
            self.feed(Frame(self.seq, FrameKind.AUDIO, samples.tobytes(), meta))

    def control(self, kind: FrameKind, vocabulary: VocabularyUpdate | None = None) -> None:
        self.seq += 1
        self.feed(Frame(self.seq, kind, meta=FrameMeta(start_sample=self.position, vocabulary=vocabulary)))

    def decode(self, hypothesis: Hypothesis) -> None:
        assert self.session.begin() is not None
        self.apply(hypothesis)

    def feed(self, frame: Frame) -> None:
        self.session.feed(frame, 0)
        self.outcomes += self.session.take_outcomes()

    def apply(self, hypothesis: Hypothesis) -> None:
        self.session.apply(hypothesis, 0)
        self.outcomes += self.session.take_outcomes()

    def judge(self, probability: float | None) -> None:
        self.session.judge(probability, 0)
        self.outcomes += self.session.take_outcomes()

    def fail(self) -> None:
        self.session.fail(0)
        self.outcomes += self.session.take_outcomes()

    def events(self, kind: type) -> list:  # type: ignore[type-arg]
        return [outcome.event for outcome in self.outcomes if isinstance(outcome.event, kind)]
