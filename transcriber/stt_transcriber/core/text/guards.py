"""Guards: rules that reject a hypothesis because it is a loop or text without speech.

The thresholds are those of Whisper (openai-whisper `transcribe`: compression ratio 2.4, log probability −1.0, no-speech
0.6) and of faster-whisper (a word is an anomaly below 0.15), combined with voice activity, which neither of them uses.
A high no-speech probability alone proves nothing: for a single real word Whisper returns 0.6 to 0.9.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence

from stt_transcriber.core.decoding import Hypothesis, Quality
from stt_transcriber.core.text.agreement import normalised
from stt_transcriber.core.text.phrases_of_silence import is_credit, is_saying, reduced

MAX_COMPRESSION_RATIO = 2.4
MIN_LOGPROB = -1.0
UNSURE_LOGPROB = -0.7
"""Every second token is right: less than that, and a text that only repeats the prompt may come from it alone."""
HOPELESS_LOGPROB = -1.5
"""One token in five is right: certainly wrong, even where there is speech."""
NO_SPEECH = 0.6
HARDLY_SPEECH = 0.5
"""Enough against a text that is improbable too."""
SURELY_NO_SPEECH = 0.85
"""Whisper returns 0.87 to 0.93 for digital silence."""
ANOMALY = 0.15
LIKELY_PHRASE = 0.25
"""Least probability of each word of a phrase in ``SAYINGS`` where Whisper detects no speech.

People say them too, so such a phrase counts only if it is the whole text, and against a final only with further
evidence: in a real "thank you" both words are probable, in an invented one the first is not. A draft needs no further
evidence, because the final corrects it.
"""
LITTLE_VOICE = 0.2
MUCH_VOICE = 0.5
MOST_LETTERS_PER_S = 30
"""Letters that fast speech has in a second; English at an ordinary pace has 14. A loop that goes on to the token limit
mostly has more."""
CLEAR_SPEECH = 0.3
"""Highest no-speech probability, and ``MIN_CLEAR`` the least probability of each word, at which a credit counts as read
aloud."""
MIN_CLEAR = 0.5
CAPTION_LETTERS = 5
"""Least letters of a caption in capitals; fewer may be an abbreviation."""


def reason_to_reject(
    hypothesis: Hypothesis,
    voice_share: float,
    quality: Quality,
    *,
    audio_s: float = math.inf,
    prompt: str = "",
    just_begun: bool = False,
) -> str | None:
    """Return the reason why this text must not be shown; None if it may be.

    ``voice_share``: share of the decoded audio that held voice, 0–1. ``audio_s``: its length in seconds, infinite if it
    is unknown. ``prompt``: that of the decode. ``just_begun``: a draft of an utterance that
    continues. Its one or two words are improbable because an end after them is, and Whisper detects no speech in them;
    with enough voice they are mostly right.

    Repetition alone counts only against a draft: for a final the engine has compared the text with a decode that was
    not allowed to repeat itself, and people do repeat themselves, though not faster than anybody speaks. A final that
    reached the token limit may still be good up to its last word.
    """
    if not hypothesis.words:
        return None
    loop = _repetition(hypothesis)
    squeezes = hypothesis.compression_ratio > MAX_COMPRESSION_RATIO
    if hypothesis.truncated and (quality is Quality.DRAFT or loop or squeezes or len(hypothesis.words) == 1):
        return "token limit"
    too_fast = sum(char.isalnum() for char in hypothesis.text) > MOST_LETTERS_PER_S * audio_s
    if loop and (quality is Quality.DRAFT or too_fast):
        return loop
    if is_credit(hypothesis.text) and (too_fast or not _is_clear(hypothesis)):
        return "credit"
    if prompt and _comes_from(prompt, hypothesis, voice_share):
        return "prompt"
    is_unlikely = hypothesis.no_speech_prob > HARDLY_SPEECH and hypothesis.avg_logprob < MIN_LOGPROB
    if is_unlikely and not (just_begun and voice_share >= MUCH_VOICE):
        return "no speech, unlikely text"
    if hypothesis.no_speech_prob > NO_SPEECH:
        if voice_share < LITTLE_VOICE:
            return "no speech, little voice"
        if too_fast:
            return "no speech, too fast"
        if _is_saying_of_silence(hypothesis, quality):
            return "no speech, known phrase"
        if _is_caption(hypothesis) or _is_one_phrase(hypothesis):
            return "no speech, caption"
    if hypothesis.avg_logprob < HOPELESS_LOGPROB or all(word.probability < ANOMALY for word in hypothesis.words):
        return "improbable words"
    return None


def is_loop(hypothesis: Hypothesis) -> bool:
    """Check whether the text says the same over and over, as speech may too."""
    return bool(hypothesis.words) and _repetition(hypothesis) is not None


def _repetition(hypothesis: Hypothesis) -> str | None:
    words = hypothesis.words
    if hypothesis.compression_ratio > MAX_COMPRESSION_RATIO and len(words) >= 10:
        return "compression ratio"
    is_unspaced = 2 * sum(word.space_before for word in words) < len(words)
    return "repetition" if repeats([word.text.casefold() for word in words], is_unspaced=is_unspaced) else None


def repeats(words: Sequence[str], *, is_unspaced: bool = False) -> bool:
    """Check whether the text is a loop.

    It is one if it ends with a phrase of 1–8 words at least four times in a row (a single word: six times), or if one
    word makes up more than half of at least 20 words. ``is_unspaced``: in a script without spaces the words' letters
    are compared instead, about three for a word; one letter, as of laughter, has to come more often.
    """
    if is_unspaced:
        letters = [char for word in words for char in word if char.isalnum()]
        return _recurs(letters, lambda size: 12 if size == 1 else 6 if size <= 3 else 4, 24, least=60)
    return _recurs(words, lambda size: 6 if size == 1 else 4, 8, least=20)


def _recurs(units: Sequence[str], times: Callable[[int], int], longest: int, *, least: int) -> bool:
    for size in range(1, longest + 1):
        tail = units[-size * times(size) :]
        if len(tail) == size * times(size) and all(unit == tail[at % size] for at, unit in enumerate(tail)):
            return True
    return len(units) >= least and Counter(units).most_common(1)[0][1] > len(units) / 2


def _comes_from(prompt: str, hypothesis: Hypothesis, voice_share: float) -> bool:
    """Check whether the prompt may be all that the text comes from, even if its words are distorted."""
    if hypothesis.no_speech_prob > SURELY_NO_SPEECH:
        return True
    is_doubtful = hypothesis.no_speech_prob > NO_SPEECH or hypothesis.avg_logprob < UNSURE_LOGPROB
    return (is_doubtful or voice_share < LITTLE_VOICE) and _echoes(hypothesis, prompt)


def _echoes(hypothesis: Hypothesis, prompt: str) -> bool:
    """Check whether the text is a part of the prompt, or has no other words than it."""
    if reduced(hypothesis.text) in reduced(prompt):
        return True
    known = {normalised(word) for word in prompt.split()}
    return all(normalised(word.text) in known for word in hypothesis.words)


def _is_clear(hypothesis: Hypothesis) -> bool:
    """Check whether the text is as probable as speech that is read aloud."""
    return hypothesis.no_speech_prob < CLEAR_SPEECH and all(word.probability > MIN_CLEAR for word in hypothesis.words)


def _is_caption(hypothesis: Hypothesis) -> bool:
    """Check whether the whole text is in capitals, as subtitles describe sounds: "SOFT MUSIC"."""
    return hypothesis.text.isupper() and sum(char.isalpha() for char in hypothesis.text) >= CAPTION_LETTERS


def _is_one_phrase(hypothesis: Hypothesis) -> bool:
    """Check whether the whole text is one phrase, three times or more often; a single word, four times."""
    words = [normalised(word.text) for word in hypothesis.words]
    return any(
        len(words) % size == 0 and all(word == words[at % size] for at, word in enumerate(words))
        for size in range(1 if len(words) > 3 else 2, len(words) // 3 + 1)
    )


def _is_saying_of_silence(hypothesis: Hypothesis, quality: Quality) -> bool:
    if not is_saying(hypothesis.text, hypothesis.language):
        return False
    if quality is Quality.DRAFT or hypothesis.no_speech_prob > SURELY_NO_SPEECH:
        return True
    return min(word.probability for word in hypothesis.words) < LIKELY_PHRASE
