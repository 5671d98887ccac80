"""Languages as devices, browsers, shells, other APIs and people write them."""

import pytest

from stt_gateway.core.requests.language_names import LANGUAGES
from stt_gateway.core.requests.languages import language_of
from stt_gateway.core.requests.parameters import NotAllowed

pytestmark = pytest.mark.unit

WRITTEN = {
    "en": ["en", "EN", "en-US", "en_US.UTF-8", "eng", "english", "English", "English (United Kingdom)", " en "],
    "de": ["de-AT", "de_DE@euro", "ger", "deu", "German", "Deutsch", "DEUTSCH", "de-1996", "German (Switzerland)"],
    "no": ["nb", "nb-NO", "nb_NO.UTF-8", "no", "nor", "nob", "Norwegian", "norsk bokmål"],
    "nn": ["nn", "nn-NO", "nno", "Nynorsk"],
    "he": ["iw", "iw-IL", "he", "heb", "Hebrew", "עברית"],
    "id": ["in", "in-ID", "id", "ind", "Bahasa Indonesia"],
    "tl": ["fil", "fil-PH", "tl", "tgl", "Tagalog", "Filipino"],
    "jw": ["jv", "jv-Latn-ID", "jw", "jav", "Javanese"],
    "ro": ["mo", "ro-MD", "ron", "rum", "moldovan", "română", "Romana"],
    "yi": ["ji", "yi", "yid"],
    "zh": ["cmn", "cmn-Hans-CN", "zh-Hant-TW", "zho", "chi", "zh-cmn", "Mandarin", "Chinese (Simplified)", "中文"],
    "yue": ["yue", "yue-Hant-HK", "zh-yue", "zh-yue-HK", "Cantonese"],
    "sr": ["sr-Latn", "sr-Cyrl-RS", "sh", "Serbo Croatian", "српски"],
    "pt": ["pt_BR", "pt-PT", "por", "português", "portugues", "Brazilian Portuguese"],
    "es": ["es-419", "spa", "Castilian", "español", "ESPAÑOL"],
    "fa": ["fa-IR", "prs", "per", "fas", "Farsi"],
    "hi": ["hi-Latn", "hindi", "हिन्दी"],
    "ht": ["ht", "hat", "Haitian-Creole", "haitian_creole"],
    "haw": ["haw", "haw-US", "Hawaiian", "ʻŌlelo Hawaiʻi"],
    "sw": ["swh", "swc-CD", "Kiswahili"],
    None: ["", " ", "auto", "AUTO", "und", "und-Latn", "mul", "C.UTF-8", "POSIX"],
}


@pytest.mark.parametrize(("code", "written"), [(code, one) for code, several in WRITTEN.items() for one in several])
def test_a_language_is_understood(code: str | None, written: str) -> None:
    assert language_of(written) == code


def test_every_code_and_name_of_the_table_means_its_language_alone() -> None:
    assert len(LANGUAGES) == 100
    for language in LANGUAGES.values():
        for written in (language.code, *language.other_codes, *language.names):
            assert language_of(written) == language.code, written
            assert language_of(written.upper()) == language.code, written


UNKNOWN = [
    "xx",
    "klingon",
    "e n",
    "-",
    "_",
    "-en",
    "İ",
    "tlh",
    "en/de",
    "12",
    "e",
    "x" * 5000,
    "a" + " " * 99_999 + "b",
]


@pytest.mark.parametrize("written", UNKNOWN, ids=lambda written: written[:9])
def test_other_texts_are_refused_with_what_is_allowed(written: str) -> None:
    with pytest.raises(NotAllowed, match="auto, or the code or name of a language that Whisper knows, such as en"):
        language_of(written)


@pytest.mark.parametrize(
    ("written", "meant"), [("Germn", "German (de)"), ("englsh", "English (en)"), ("frensh", "French (fr)")]
)
def test_a_slip_is_answered_with_the_language_that_may_be_meant(written: str, meant: str) -> None:
    with pytest.raises(NotAllowed, match="did you mean") as caught:
        language_of(written)
    assert str(caught.value).endswith(f"; did you mean {meant}?")
