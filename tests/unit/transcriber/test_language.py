"""The language of one piece of speech: its sound, what was spoken before, and the texts."""

import math
from dataclasses import replace

import numpy as np
import pytest
from support.heard_languages import Heard

from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.core.language import remembered, rivals, weigh, with_texts
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.request import check_request
from stt_transcriber.engines.spoken_language import detect

pytestmark = pytest.mark.unit


def piece(voiced_s: float, quality: Quality = Quality.FULL, **more: object) -> DecodeRequest:
    samples = np.zeros(round(voiced_s * 16000), np.float32)
    return DecodeRequest(samples, None, quality=quality, **more)  # type: ignore[arg-type]


def likeliest(request: DecodeRequest, sound: dict[str, float], before: dict[str, float]) -> str:
    return next(iter(weigh(request, sound, before)))


ODD = {"zh": 0.9, "en": 0.05, "ar": 0.05}


@pytest.mark.parametrize(("voiced_s", "language"), [(0.5, "en"), (1.0, "en"), (4.0, "zh")])
def test_the_language_before_stays_unless_there_is_enough_voice(voiced_s: float, language: str) -> None:
    assert likeliest(piece(voiced_s), ODD, {"en": 1.0}) == language
    assert likeliest(piece(voiced_s), ODD, {}) == "zh", "nothing was spoken before"


def test_the_odds_do_not_depend_on_how_many_languages_there_are() -> None:
    many = {f"x{n}": 0.001 for n in range(95)} | ODD
    few, more = (weigh(piece(2.0), sound, {"en": 0.7, "zh": 0.3}) for sound in (ODD, many))
    assert few["en"] / few["zh"] == pytest.approx(more["en"] / more["zh"], rel=0.01)


def test_no_language_is_ever_fixed() -> None:
    """However long somebody spoke one language, one sentence in another is enough."""
    spoken: dict[str, float] = {}
    for _ in range(100):
        request = piece(10.0)
        spoken = dict(remembered(request, weigh(request, {"en": 0.99, "de": 0.01}, spoken), spoken))
    assert likeliest(piece(3.0), {"de": 0.97, "en": 0.03}, spoken) == "de"


def test_only_the_languages_of_the_request_are_detected() -> None:
    shares = {"nl": 0.6, "de": 0.3, "en": 0.1}
    request = piece(3.0, languages=("en", "de"))
    assert weigh(request, shares, {}) == {"de": pytest.approx(0.75), "en": pytest.approx(0.25)}
    assert likeliest(request, shares, {"nl": 1.0}) == "de", "also where something else was spoken before"
    assert likeliest(replace(request, languages=()), shares, {}) == "nl"
    assert weigh(piece(3.0, languages=("fr", "gl")), shares, {}) == {"fr": 0.5, "gl": 0.5}
    with pytest.raises(EngineError, match="'la' is not one of this model's: en, de"):
        check_request(replace(request, languages=("en", "la")), ("en", "de"))


def test_a_language_that_nobody_grows_up_with_is_found_where_it_is_asked_for() -> None:
    shares = {"la": 0.5, "en": 0.3, "it": 0.2}
    assert likeliest(piece(3.0), shares, {}) == "en"
    assert likeliest(piece(3.0), {"la": 0.99, "en": 0.01}, {}) == "la"
    assert likeliest(piece(3.0, languages=("la", "en")), shares, {}) == "la"


@pytest.mark.parametrize(
    ("request_", "sound", "asked"),
    [
        (piece(4.0), {"en": 0.9, "de": 0.1}, ("en",)),
        (piece(4.0), {"en": 0.5, "de": 0.4, "nl": 0.1}, ("en", "de", "nl")),
        (piece(4.0), {"en": 0.3, "de": 0.25, "nl": 0.2, "af": 0.15, "da": 0.1}, ("en", "de", "nl", "af")),
        (piece(1.0), {"en": 0.5, "de": 0.5}, ("de",)),
        (piece(4.0, Quality.DRAFT), {"en": 0.5, "de": 0.5}, ("de",)),
    ],
)
def test_only_doubtful_pieces_are_decoded_in_several_languages(
    request_: DecodeRequest, sound: dict[str, float], asked: tuple[str, ...]
) -> None:
    assert rivals(request_, weigh(request_, sound, {})) == asked


def test_the_more_probable_text_decides_between_rivals() -> None:
    request = piece(4.0)
    weights = weigh(request, {"cy": 0.4, "hu": 0.25, "en": 0.2, "ar": 0.15}, {})
    assert next(iter(weights)) == "cy", "without the texts"
    decided = with_texts(request, weights, {"cy": -0.5, "hu": -1.6, "en": -0.25})
    assert next(iter(decided)) == "en"
    assert sum(decided.values()) == pytest.approx(1.0, abs=0.05)
    assert with_texts(request, weights, {"cy": -0.5}) == weights, "one text proves nothing"
    assert next(iter(with_texts(request, weights, {"cy": -math.inf, "hu": -0.5, "en": -0.6}))) == "hu", "cy is a loop"


def test_a_beginning_with_little_voice_is_remembered_as_doubtful() -> None:
    short, long = piece(1.0), piece(3.0)
    weights = {"en": 0.9, "de": 0.1}
    assert remembered(short, weights, {})["en"] < 0.7
    assert remembered(long, weights, {}) == weights
    assert remembered(short, weights, {"en": 1.0}) == weights, "its length counted already"


def test_an_engine_tells_what_it_heard_and_gets_the_choice() -> None:
    samples = np.zeros(32000, np.float32)
    sound = Heard({"en": 0.5, "de": 0.5}, elsewhere={"de": 1.0})
    fixed = detect(DecodeRequest(samples, "fr"), sound)
    assert (fixed.rivals, sound.asked) == (("fr",), []), "nothing is detected"
    assert fixed.choose({"fr": ("bonjour", -0.4)}).spoken == {}
    request = DecodeRequest(samples, None, quality=Quality.FILE, language_samples=np.zeros(80000, np.float32))
    found = detect(request, sound)
    assert sound.asked == ["80000 others", "whole"]
    assert found.rivals == ("de",), "what was heard elsewhere decides where this alone is doubtful"
    chosen = found.choose({"de": ("ja", -0.4)})
    assert (chosen.language, chosen.text) == ("de", "ja")
    assert next(iter(chosen.spoken)) == "de"
    assert detect(replace(request, language_samples=None), sound).rivals == ("de", "en")


SURELY_EN, SURELY_DE, PERHAPS_DE = {"en": 0.9, "de": 0.1}, {"de": 0.9, "en": 0.1}, {"de": 0.5, "en": 0.3, "nl": 0.2}
MAYBE_DE_OR_NL = {"de": 0.5, "nl": 0.4, "en": 0.1}


@pytest.mark.parametrize(
    ("parts", "changes_at"),
    [
        ([SURELY_EN, SURELY_DE, SURELY_DE], 3_500),
        ([SURELY_EN, SURELY_EN, SURELY_DE], 7_000),
        ([SURELY_EN, MAYBE_DE_OR_NL, SURELY_EN], 3_500),
        ([PERHAPS_DE, SURELY_EN, SURELY_EN], None),
        ([SURELY_EN, PERHAPS_DE, SURELY_EN], None),
        ([SURELY_DE, SURELY_DE, SURELY_DE], None),
    ],
)
def test_a_chunk_is_cut_in_the_pause_at_which_its_language_changes(
    parts: list[dict[str, float]], changes_at: int | None
) -> None:
    stretches = ((0, 3_000), (4_000, 6_500), (7_500, 9_000))
    request = piece(10.0, Quality.FILE, stretches=stretches)
    found = detect(request, Heard(SURELY_EN, parts=list(parts)))
    assert found.changes_at == changes_at
    if changes_at is not None:
        assert found.rivals == ()
        assert found.undecoded().changes_at == changes_at
    assert detect(replace(request, stretches=()), Heard(SURELY_EN, parts=list(parts))).rivals == ("en",), "uncut"


def test_the_audio_of_a_detection_has_a_limit_too() -> None:
    long = np.zeros(31 * 16000, np.float32)
    with pytest.raises(EngineError, match="at most 30"):
        check_request(DecodeRequest(long[:16000], None, language_samples=long), ("en",))
