"""Drafts are in the language of the session until there is voice to detect their own."""

import pytest
from support.live_driver import heard

from stt_transcriber.core.live.draft_language import DraftLanguage

pytestmark = pytest.mark.unit

ENGLISH = {"en": 0.97, "de": 0.02}


def test_the_first_second_is_in_the_language_spoken_so_far() -> None:
    drafts = DraftLanguage()
    assert [drafts.choose(at, ENGLISH) for at in (0.2, 0.5, 0.9, 1.1)] == ["en", "en", "en", None]


@pytest.mark.parametrize("spoken", [{}, {"en": 0.6, "de": 0.4}])
def test_where_that_is_doubtful_each_draft_is_detected_until_one_is_likely(spoken: dict[str, float]) -> None:
    drafts = DraftLanguage()
    assert drafts.choose(0.3, spoken) is None
    drafts.take(heard(("eh", 0.0, 0.3), language="fr", language_probability=0.3))
    assert drafts.choose(0.6, spoken) is None
    drafts.take(heard(("ja", 0.0, 0.6), language="de", language_probability=0.8))
    assert drafts.choose(0.9, spoken) == "de"


def test_drafts_change_their_language_after_a_second_of_voice_in_another() -> None:
    drafts, found = DraftLanguage(), []
    for tenths in range(3, 30, 3):
        language = drafts.choose(tenths / 10, ENGLISH)
        if language is None:
            drafts.take(heard(("ja", 0.0, 0.6), language="de", language_probability=0.9))
        found.append(language)
    assert found == ["en", "en", "en", None, "de", "de", "de", None, "de"]
