"""Guards: rules that reject a hypothesis because it is a loop or text without speech.

The thresholds are those of Whisper (openai-whisper `transcribe`: compression ratio 2.4, log probability −1.0, no-speech
0.6) and of faster-whisper (a word is an anomaly below 0.15), combined with voice activity, which neither of them uses.
A high no-speech probability alone proves nothing: for a single real word Whisper returns 0.6 to 0.9.
"""

from collections import Counter
from collections.abc import Sequence

from stt_transcriber.core.decoding import Hypothesis, Quality
from stt_transcriber.core.text.agreement import normalised

MAX_COMPRESSION_RATIO = 2.4
MIN_LOGPROB = -1.0
HOPELESS_LOGPROB = -1.5
"""One token in five is right: certainly wrong, even where there is speech."""
NO_SPEECH = 0.6
SURELY_NO_SPEECH = 0.85
"""Whisper returns 0.87 to 0.93 for digital silence."""
ANOMALY = 0.15
LIKELY_PHRASE = 0.25
"""Least probability of each word of a phrase in ``PHRASES_OF_SILENCE`` where Whisper detects no speech."""
LITTLE_VOICE = 0.2
MUCH_VOICE = 0.5
PHRASES_OF_SILENCE = frozenset(
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
"""Phrases that Whisper most often writes where nothing was said.

People say them too, so a phrase counts only if it is the whole text, and against a final only with further evidence: in
a real "thank you" both words are probable, in an invented one the first is not. A draft needs no further evidence,
because the final corrects it.
"""


def reason_to_reject(
    hypothesis: Hypothesis, voice_share: float, quality: Quality, *, just_begun: bool = False
) -> str | None:
    """Return the reason why this text must not be shown; None if it may be.

    ``voice_share``: share of the decoded audio that held voice, 0–1. ``just_begun``: a draft of an utterance that
    continues. Its one or two words are improbable because an end after them is, and Whisper detects no speech in them;
    with enough voice they are mostly right.

    Repetition counts only against a draft: for a final the engine has compared the text with a decode that was not
    allowed to repeat itself, and people do repeat themselves. A final that reached the token limit may still be good
    up to its last word.
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
        if _is_phrase_of_silence(hypothesis, quality):
            return "no speech, known phrase"
    if hypothesis.avg_logprob < HOPELESS_LOGPROB or all(word.probability < ANOMALY for word in hypothesis.words):
        return "improbable words"
    return None


def _is_loop(hypothesis: Hypothesis, words: Sequence[str]) -> bool:
    """Check whether a text that reached the token limit is a loop."""
    return len(words) == 1 or hypothesis.compression_ratio > MAX_COMPRESSION_RATIO or repeats(words)


def repeats(words: Sequence[str]) -> bool:
    """Check whether the text is a loop.

    It is one if it ends with a phrase of 1–8 words at least four times in a row (a single word: six times), or if one
    word makes up more than half of at least 20 words.
    """
    for size in range(1, 9):
        times = 6 if size == 1 else 4
        if len(words) < size * times:
            continue
        tail = words[-size * times :]
        if all(tail[i] == tail[i % size] for i in range(len(tail))):
            return True
    most = Counter(words).most_common(1)[0][1]
    return len(words) >= 20 and most > len(words) / 2


def _is_phrase_of_silence(hypothesis: Hypothesis, quality: Quality) -> bool:
    text = " ".join(normalised(part) for word in hypothesis.words for part in word.text.split("-"))
    if text not in PHRASES_OF_SILENCE:
        return False
    if quality is Quality.DRAFT or hypothesis.no_speech_prob > SURELY_NO_SPEECH:
        return True
    return min(word.probability for word in hypothesis.words) < LIKELY_PHRASE
