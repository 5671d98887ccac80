"""Each guard against loops and inventions: what it stops, that nothing else would have, and what it must let through.

The figures of the hypotheses are those that Whisper base and tiny.en gave for real noise and for real words.
"""

from dataclasses import replace

import pytest

from stt_transcriber.core.decoding import Hypothesis, Quality, TimedWord
from stt_transcriber.core.text import guards
from stt_transcriber.core.text.guards import is_loop, reason_to_reject, repeats
from stt_transcriber.core.text.phrases_of_silence import is_credit, is_saying

pytestmark = pytest.mark.unit
BOTH = list(Quality)


def heard(text: str, *probabilities: float, **changes: object) -> Hypothesis:
    said = text.split()
    likely = [*probabilities, *[0.9] * (len(said) - len(probabilities))]
    words = tuple(TimedWord(word, i * 0.2, i * 0.2 + 0.1, likely[i]) for i, word in enumerate(said))
    values: dict[str, object] = {
        "language": "en",
        "language_probability": 1.0,
        "avg_logprob": -0.3,
        "no_speech_prob": 0.02,
        "compression_ratio": 1.2,
    }
    return Hypothesis(text, words, **(values | changes))  # type: ignore[arg-type]


LOOP = heard("2-3-4-4-5-5-6-6-5-7-6-7", 0.57, no_speech_prob=0.55, avg_logprob=-0.62, truncated=True)
SQUEEZED = heard("and so we went and so they went and so on", compression_ratio=2.6)
CHANT = heard("thank you for " * 5)
UNLIKELY = heard("Good job.", 0.02, 0.41, no_speech_prob=0.74, avg_logprob=-1.36)
ROOM_TONE = heard("One more time.", 0.3, 0.6, 0.95, no_speech_prob=0.88, avg_logprob=-0.9)
MUSIC = heard("you", 0.2, no_speech_prob=0.88, avg_logprob=-0.63)
KEYBOARD = heard("Thank you.", 0.02, 0.97, no_speech_prob=0.7, avg_logprob=-0.58)
DRAFT_OF_MUSIC = heard("you", 0.27, no_speech_prob=0.84, avg_logprob=-0.66)
BREATH = heard("The", 0.01, no_speech_prob=0.36, avg_logprob=-3.0)
HUM = heard("Yeah", 0.01, no_speech_prob=0.38, avg_logprob=-1.2)

EDITOR = heard("Редактор субтитров А.Синецкая Корректор А.Егорова", no_speech_prob=0.79, avg_logprob=-0.31)
THANKS = heard("ご視聴ありがとうございました", 0.2, no_speech_prob=0.7, language="ja")
ALSO = heard("भी भी भी भी", no_speech_prob=0.8, avg_logprob=-0.4)
SOFT_MUSIC = heard("СПОКОЙНАЯ МУЗЫКА", no_speech_prob=0.79, avg_logprob=-0.26)
GLAD = heard("Я очень рада. Я очень рада. Я очень рада.", no_speech_prob=0.73, avg_logprob=-0.32)

INVENTIONS = [
    (LOOP, 1.0, Quality.FULL, "token limit"),
    (SQUEEZED, 1.0, Quality.DRAFT, "compression ratio"),
    (CHANT, 1.0, Quality.DRAFT, "repetition"),
    (UNLIKELY, 1.0, Quality.FULL, "no speech, unlikely text"),
    (ROOM_TONE, 0.1, Quality.FULL, "no speech, little voice"),
    (MUSIC, 0.4, Quality.FULL, "no speech, known phrase"),
    (KEYBOARD, 0.4, Quality.FULL, "no speech, known phrase"),
    (DRAFT_OF_MUSIC, 0.4, Quality.DRAFT, "no speech, known phrase"),
    (BREATH, 1.0, Quality.FULL, "improbable words"),
    (HUM, 1.0, Quality.FULL, "improbable words"),
    (EDITOR, 1.0, Quality.FULL, "credit"),
    (EDITOR, 1.0, Quality.DRAFT, "credit"),
    (THANKS, 1.0, Quality.FULL, "no speech, known phrase"),
    (SOFT_MUSIC, 1.0, Quality.FULL, "no speech, caption"),
    (GLAD, 1.0, Quality.FULL, "no speech, caption"),
    (ALSO, 1.0, Quality.FULL, "no speech, caption"),
]


@pytest.mark.parametrize(("invention", "voice_share", "quality", "reason"), INVENTIONS)
def test_inventions_are_stopped(invention: Hypothesis, voice_share: float, quality: Quality, reason: str) -> None:
    assert reason_to_reject(invention, voice_share, quality) == reason


FIRST_WORD = heard("If", 0.33, no_speech_prob=0.76, avg_logprob=-1.4)


def test_the_first_word_of_a_voice_is_shown_while_it_goes_on() -> None:
    assert reason_to_reject(FIRST_WORD, 0.6, Quality.DRAFT, just_begun=True) is None
    assert reason_to_reject(FIRST_WORD, 0.6, Quality.DRAFT) == "no speech, unlikely text"
    assert reason_to_reject(FIRST_WORD, 0.4, Quality.DRAFT, just_begun=True) == "no speech, unlikely text"
    for guess in (BREATH, HUM, DRAFT_OF_MUSIC):
        assert reason_to_reject(guess, 1.0, Quality.DRAFT, just_begun=True)


@pytest.mark.parametrize(
    ("invention", "voice_share", "quality", "threshold", "off"),
    [
        (SQUEEZED, 1.0, Quality.DRAFT, "MAX_COMPRESSION_RATIO", 99.0),
        (UNLIKELY, 1.0, Quality.FULL, "MIN_LOGPROB", -99.0),
        (ROOM_TONE, 0.1, Quality.FULL, "LITTLE_VOICE", 0.0),
        (MUSIC, 0.4, Quality.FULL, "is_saying", lambda *_: False),
        (KEYBOARD, 0.4, Quality.FULL, "is_saying", lambda *_: False),
        (DRAFT_OF_MUSIC, 0.4, Quality.DRAFT, "is_saying", lambda *_: False),
        (HUM, 1.0, Quality.FULL, "ANOMALY", 0.0),
    ],
)
def test_each_is_needed(
    invention: Hypothesis,
    voice_share: float,
    quality: Quality,
    threshold: str,
    off: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guards, threshold, off)
    assert reason_to_reject(invention, voice_share, quality) is None, "without its guard it would come through"


@pytest.mark.parametrize(
    "spoken",
    [
        heard("Thank you.", 0.67, 0.95, no_speech_prob=0.51, avg_logprob=-0.2),
        heard("Thank you.", 0.33, 0.98, no_speech_prob=0.67, avg_logprob=-0.34),
        heard("you.", 0.25, no_speech_prob=0.82, avg_logprob=-0.86),
        heard("Yes.", 0.3, no_speech_prob=0.76, avg_logprob=-0.98),
        heard("Why?", 0.17, no_speech_prob=0.79, avg_logprob=-0.64),
        heard("No way, no way!", no_speech_prob=0.7, avg_logprob=-0.4),
        heard("Brew a triple shot", no_speech_prob=0.55, avg_logprob=-0.18),
    ],
)
def test_real_short_words_come_through_as_finals(spoken: Hypothesis) -> None:
    assert reason_to_reject(spoken, 0.25, Quality.FULL) is None


@pytest.mark.parametrize("quality", BOTH)
def test_speech_passes(quality: Quality) -> None:
    assert reason_to_reject(heard("ever tried ever failed no matter"), 0.6, quality) is None
    assert reason_to_reject(heard("no no no no"), 0.6, quality) is None
    assert reason_to_reject(heard(""), 0.0, quality) is None


GLOSSARY = "Glossary: Kubernetes, Istio, Grafana."


@pytest.mark.parametrize(
    ("text", "no_speech_prob", "avg_logprob", "reason"),
    [
        ("Istio, Grafana.", 0.7, -0.3, "prompt"),
        ("Grafana Grafana Glossary", 0.1, -0.8, "prompt"),
        ("Grafana", 0.1, -0.3, None),
        ("A glossary", 0.7, -0.3, None),
        ("Brossary", 0.92, -0.5, "prompt"),
    ],
)
def test_a_text_that_may_come_from_the_prompt_alone(
    text: str, no_speech_prob: float, avg_logprob: float, reason: str | None
) -> None:
    doubtful = heard(text, no_speech_prob=no_speech_prob, avg_logprob=avg_logprob)
    assert reason_to_reject(doubtful, 0.5, Quality.FULL, prompt=GLOSSARY) == reason
    assert reason_to_reject(doubtful, 0.5, Quality.FULL) is None


def test_a_credit_that_is_read_aloud_comes_through() -> None:
    spoken = replace(EDITOR, no_speech_prob=0.05)
    assert reason_to_reject(spoken, 0.8, Quality.FULL, audio_s=4.0) is None
    assert reason_to_reject(spoken, 0.8, Quality.FULL, audio_s=0.8) == "credit"


def test_a_text_with_less_time_than_speech_needs_is_no_speech() -> None:
    quick = heard("nobody says all of this within half a second", no_speech_prob=0.7)
    assert reason_to_reject(quick, 0.8, Quality.FULL, audio_s=0.6) == "no speech, too fast"
    assert reason_to_reject(quick, 0.8, Quality.FULL, audio_s=3.0) is None


@pytest.mark.parametrize(
    ("text", "language", "is_known"),
    [
        ("Vielen Dank.", "de", True),
        ("Vielen Dank.", "fr", False),
        ("Thank you. Thank you.", "de", True),
        ("ご視聴ありがとうございました。", "ja", True),
        ("Bye-bye.", "en", True),
        ("Thank you all.", "en", False),
        ("", "en", False),
    ],
)
def test_sayings_count_as_the_whole_text_in_their_language(text: str, language: str, is_known: bool) -> None:
    assert is_saying(text, language) is is_known


def test_credits_are_found_with_their_names_and_not_within_speech() -> None:
    for text in ("Untertitel der Amara.org-Community", "Субтитры создавал DimaTorzok", "SWR 2020", "Altyazı M.K."):
        assert is_credit(text), text
    assert not is_credit(
        "We send the files to Amara.org, and after a week or so the subtitles come back to us by mail."
    )


def test_a_known_phrase_within_a_sentence_is_no_invention() -> None:
    assert reason_to_reject(heard("Thank you all.", 0.1, no_speech_prob=0.9), 0.5, Quality.FULL) is None


def test_what_is_said_over_and_over_is_a_final_all_the_same() -> None:
    chant = heard("we shall overcome " * 6, compression_ratio=3.0)
    assert reason_to_reject(chant, 1.0, Quality.DRAFT) == "compression ratio"
    assert reason_to_reject(chant, 1.0, Quality.FULL) is None


def test_what_is_said_faster_than_anybody_speaks_is_no_final() -> None:
    slow = heard("Smeetan Prata Ol " * 15, compression_ratio=9.9)
    assert reason_to_reject(slow, 1.0, Quality.FULL, audio_s=5.0) == "compression ratio"
    assert reason_to_reject(slow, 1.0, Quality.FULL, audio_s=9.0) is None
    assert is_loop(slow)
    assert not is_loop(heard("ever tried ever failed no matter"))


@pytest.mark.parametrize(
    ("text", "is_a_loop"),
    [
        ("はははははははは", False),
        ("对对对对对对对对", False),
        ("0000000", False),
        ("あ" * 12, True),
        ("ありがとう" * 4, True),
        ("ご視聴ありがとうございました。" * 4, True),
        ("你好你好你好", False),
        ("你好" * 6, True),
    ],
)
def test_letters_of_scripts_without_spaces_are_no_words(text: str, is_a_loop: bool) -> None:
    words = tuple(TimedWord(char, i * 0.2, i * 0.2 + 0.1, 0.9, space_before=False) for i, char in enumerate(text))
    assert is_loop(replace(heard(text), words=words)) is is_a_loop


def test_repeats() -> None:
    assert repeats(["no"] * 6)
    assert not repeats(["no"] * 5)
    assert repeats(["a", "b", "c"] * 4)
    assert not repeats(["the", "more", "we", "know", "the", "more", "we", "see", "the", "more", "we", "want"])


CUT_OFF = "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა"


@pytest.mark.parametrize("quality", [Quality.FULL, Quality.FILE])
def test_a_final_that_met_the_token_limit_is_refused_only_as_a_loop(quality: Quality) -> None:
    assert reason_to_reject(heard(CUT_OFF, truncated=True), 0.9, quality) is None
    assert reason_to_reject(heard(CUT_OFF, truncated=True), 0.9, Quality.DRAFT) == "token limit"
    looped = [heard("so " * 30, truncated=True), heard(CUT_OFF, truncated=True, compression_ratio=2.6)]
    assert [reason_to_reject(loop, 0.9, quality) for loop in looped] == ["token limit"] * 2
