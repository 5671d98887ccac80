"""When not to believe a hypothesis: loops, and text made of silence.

Thresholds are Whisper's own (openai-whisper `transcribe`: compression ratio 2.4, log probability −1.0, no-speech 0.6),
joined by the voice activity that Whisper does not know of.
"""

from collections import Counter
from collections.abc import Sequence

from stt_transcriber.core.hypothesis import Hypothesis, Quality

MAX_COMPRESSION_RATIO = 2.4
MIN_LOGPROB = -1.0
NO_SPEECH = 0.6
SURELY_NO_SPEECH = 0.9


def reason_to_reject(hypothesis: Hypothesis, speech_share: float, quality: Quality) -> str | None:
    """Why this text should not be shown, None when it may. ``speech_share``: part of the audio that held voice, 0–1.

    Repetition counts against a draft only: for a final the engine has compared it with a decode that may not repeat
    itself, and people do say things over and over.
    """
    words = [word.text.casefold() for word in hypothesis.words]
    if not words:
        return None
    if hypothesis.truncated:
        return "token limit"
    if quality is Quality.DRAFT:
        if hypothesis.compression_ratio > MAX_COMPRESSION_RATIO and len(words) >= 10:
            return "compression ratio"
        if repeats(words):
            return "repetition"
    if hypothesis.no_speech_prob > NO_SPEECH and hypothesis.avg_logprob < MIN_LOGPROB:
        return "no speech, unlikely text"
    if hypothesis.no_speech_prob > SURELY_NO_SPEECH and speech_share < 0.2:
        return "no speech, little voice"
    return None


def repeats(words: Sequence[str]) -> bool:
    """A phrase of 1–8 words stands at the end at least four (one word: six) times in a row."""
    for size in range(1, 9):
        times = 6 if size == 1 else 4
        if len(words) < size * times:
            continue
        tail = words[-size * times :]
        if all(tail[i] == tail[i % size] for i in range(len(tail))):
            return True
    most = Counter(words).most_common(1)[0][1]
    return len(words) >= 20 and most > len(words) / 2
