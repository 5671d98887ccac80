"""When not to believe a hypothesis: loops, and text made of no speech.

Thresholds are those of Whisper (openai-whisper `transcribe`: compression ratio 2.4, log probability −1.0, no-speech
0.6) and of faster-whisper (a word is an anomaly below 0.15), joined by the voice activity that neither knows of.
No-speech alone proves nothing: of a single real word Whisper says 0.6 to 0.9.
"""

from collections import Counter
from collections.abc import Sequence

from stt_transcriber.core.decoding import Hypothesis, Quality
from stt_transcriber.core.text.agreement import normalised

MAX_COMPRESSION_RATIO = 2.4
MIN_LOGPROB = -1.0
HOPELESS_LOGPROB = -1.5
"""Tokens are right one time in five: beyond doubt even where somebody speaks."""
NO_SPEECH = 0.6
SURELY_NO_SPEECH = 0.85
"""Of digital silence Whisper says 0.87 to 0.93."""
ANOMALY = 0.15
LIKELY_PHRASE = 0.25
"""Each word of a phrase that Whisper writes for nothing must be at least this probable where it hears no speech."""
LITTLE_VOICE = 0.2
MUCH_VOICE = 0.5
SAID_OF_NOTHING = frozenset(
    {
        "you",
        "thank you",
        "thank you very much",
        "thank you for watching",
        "thanks for watching",
        "bye",
        "bye bye",
    }
)
"""What Whisper writes most often where nothing was said. People say it too, so it counts only as a whole utterance, and
against a final only with more to doubt it: of a real "thank you" both words are likely, of an invented one the first is
not. A draft can wait for its final."""


def reason_to_reject(
    hypothesis: Hypothesis, voice_share: float, quality: Quality, *, just_begun: bool = False
) -> str | None:
    """Why this text should not be shown, None when it may. ``voice_share``: part of the decoded audio that held voice,
    0–1. ``just_begun``: a draft of an utterance that goes on. Its one or two words are improbable because the end
    behind them is, and Whisper hears no speech in them; if there is voice enough they are mostly right.

    Repetition counts against a draft only: for a final the engine has compared it with a decode that may not repeat
    itself, and people do say things over and over. A final that met the token limit may still be good up to its last
    word.
    """
    words = [word.text.casefold() for word in hypothesis.words]
    if not words:
        return None
    if hypothesis.truncated and (quality is Quality.DRAFT or _is_loop(hypothesis, words)):
        return "token limit"
    if quality is Quality.DRAFT:
        if hypothesis.compression_ratio > MAX_COMPRESSION_RATIO and len(words) >= 10:
            return "compression ratio"
        if repeats(words):
            return "repetition"
    if hypothesis.no_speech_prob > NO_SPEECH:
        if hypothesis.avg_logprob < MIN_LOGPROB and not (just_begun and voice_share >= MUCH_VOICE):
            return "no speech, unlikely text"
        if voice_share < LITTLE_VOICE:
            return "no speech, little voice"
        if _is_said_of_nothing(hypothesis, quality):
            return "no speech, known phrase"
    if hypothesis.avg_logprob < HOPELESS_LOGPROB or all(word.probability < ANOMALY for word in hypothesis.words):
        return "improbable words"
    return None


def _is_loop(hypothesis: Hypothesis, words: Sequence[str]) -> bool:
    """Of a text that met the token limit."""
    return len(words) == 1 or hypothesis.compression_ratio > MAX_COMPRESSION_RATIO or repeats(words)


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


def _is_said_of_nothing(hypothesis: Hypothesis, quality: Quality) -> bool:
    text = " ".join(normalised(part) for word in hypothesis.words for part in word.text.split("-"))
    if text not in SAID_OF_NOTHING:
        return False
    if quality is Quality.DRAFT or hypothesis.no_speech_prob > SURELY_NO_SPEECH:
        return True
    return min(word.probability for word in hypothesis.words) < LIKELY_PHRASE
