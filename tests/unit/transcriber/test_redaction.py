"""Redaction: what is found, what is written, and that a text that grows shows nothing of it too early."""

import random

import pytest

from stt_shared.contracts.session import Redaction
from stt_transcriber.core.text.agreement import PlacedWord
from stt_transcriber.core.text.join import join_words
from stt_transcriber.core.text.private_data import is_card, is_iban
from stt_transcriber.core.text.redaction import Redactor, redactor_of

pytestmark = pytest.mark.unit
USUAL = Redactor((Redaction.CARD, Redaction.EMAIL, Redaction.PHONE, Redaction.IBAN))
ALL = Redactor(Redaction, [r"EMP-\d{6}", "(project )?blue ?bird"])


def placed(text: str) -> list[PlacedWord]:
    return [PlacedWord(word, 100 * i, 100 * i + 100, 0.5) for i, word in enumerate(text.split())]


def redacted(text: str, redactor: Redactor = USUAL) -> str:
    return join_words(redactor.redact(placed(text)))


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("My card is 4111 1111 1111 1111.", "My card is [card]."),
        ("4111-1111–1111-1111, until 12/27", "[card], until 12/27"),
        ("It is 4111, 1111, 1111, 1111. Thanks", "It is [card]. Thanks"),
        ("4111. 1111. 1111. 1111.", "[card]."),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 and 123", "[card] and 123"),
        ("4111111111111111 123", "[card] 123"),
        ("16 3782 822463 10005", "16 [card]"),
        ("not 4111 1111 1111 1112", "not 4111 1111 1111 1112"),
        ("(4111 1111 1111 1111)", "([card])"),
        ("卡号是4111111111111111谢谢", "卡号是[card]谢谢"),
        ("٤١١١ ١١١١ ١١١١ ١١١١", "[card]"),
        ("write to max@example.com or MAX.Muster@mail.example.co.uk.", "write to [email] or [email]."),
        ("max dot muster at example dot com, please", "[email], please"),
        ("Max Punkt Muster ät Beispiel Punkt de", "[email]"),
        ("jean arobase exemple point fr", "[email]"),
        ("look at the dot on the map, and at this point in time", None),
        ("call +49 170 1234567 now", "call [phone] now"),
        ("call 0170 1234567, or (555) 123-4567", "call [phone], or [phone]"),
        ("au 01.23.45.67.89 ou 555-1234", "au [phone] ou [phone]"),
        ("on 05.06.2024 at 10:30, in 1999 and 2010-2020, 1,000,000 people", None),
        ("DE89 3704 0044 0532 0130 00 is mine", "[iban] is mine"),
        ("GB29 NWBK 6016 1331 9268 19.", "[iban]."),
        ("FR14, 2004 1010 0505 0001 3M02 606", "[iban]"),
        ("DE88 3704 0044 A532 0130 00", None),
        ("in 20 years we have 1000000 dollars", None),
    ],
)
def test_what_is_found(said: str, written: str | None) -> None:
    assert redacted(said) == (said if written is None else written)


def test_runs_of_digits_go_only_if_asked_for() -> None:
    assert redacted("from 12 to 345 or 1 2 3, and 4111 1111. 22", Redactor([Redaction.NUMBER])) == (
        "from 12 to [number] or [number], and [number]"
    )


def test_own_patterns_are_found_as_whole_words_in_any_case() -> None:
    said = "emp-123456, Project Bluebird and blue bird; bluebirds, EMP-1234567 xEMP-123456"
    expected = "[redacted], [redacted] and [redacted]; bluebirds, EMP-1234567 xEMP-123456"
    assert redacted(said, Redactor([], [r"EMP-\d{6}", "(project )?blue ?bird"])) == expected


def test_the_word_that_stands_for_several_has_their_time() -> None:
    words = USUAL.redact(placed("on (4111 1111 1111 1111), a@b.com/c@d.com!"))
    assert [(word.text, word.start_ms, word.end_ms) for word in words] == [
        ("on", 0, 100),
        ("([card]),", 100, 500),
        ("[email]/[email]!", 500, 600),
    ]


def test_check_digits() -> None:
    assert is_card("5555-5555 5555 4444")
    assert not is_card("5555 5555 5555 4445")
    assert is_iban("de89 3704-0044 0532 0130 00")
    assert not is_iban("de89 3704 0044 0532 0130 01")
    assert not is_iban("de89")


def test_nothing_is_done_unless_asked_for() -> None:
    assert redactor_of((), ()) is None


SECRETS = [
    "4111 1111 1111 1111",
    "4111, 1111, 1111, 1111",
    "max@example.com",
    "max at example dot com",
    "+49 170 1234567",
    "DE89 3704 0044 0532 0130 00",
    "EMP-123456",
    "project blue bird",
    "12 34 56",
]
PLAIN = ["well", "we", "all", "think", "that", "this", "is", "a", "good", "thing", "to", "do", "and", "so", "on"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("mark", ["", ".", ",", "…", "?"])
def test_a_growing_text_shows_no_beginning_of_what_is_redacted_later(secret: str, mark: str) -> None:
    """Words come one by one; the newest has a mark that is a guess."""
    text = f"Well my secret is {secret}. It is good to know."
    words = placed(text)
    whole = join_words(ALL.redact(words)).split()
    assert secret not in " ".join(whole)
    stable: list[str] = []
    for count in range(len(words) + 1):
        last = [PlacedWord(words[count - 1].text.rstrip(".") + mark, 0, 1, 0.1)] if count else []
        so_far = [*words[: max(0, count - 1)], *last]
        shown, unchanging = ALL.redact_growing(so_far, max(0, count - 1))
        texts = [word.text for word in shown]
        assert [text.rstrip(".,…?") for text in texts] == [text.rstrip(".,…?") for text in whole[: len(texts)]]
        assert texts[: len(stable)] == stable
        stable = texts[:unchanging]
    assert len(stable) >= len(whole) - 3


def test_what_is_stable_never_changes() -> None:
    chosen = random.Random(7)
    for _ in range(150):
        words = placed(
            " ".join(chosen.choice(SECRETS) if chosen.random() < 0.2 else chosen.choice(PLAIN) for _ in range(12))
        )
        whole = ALL.redact(words)
        before: list[PlacedWord] = []
        for stable in range(len(words)):
            guess = placed(chosen.choice(["", "4111 11", "and", "at example", "17 12", words[stable].text]))
            shown, unchanging = ALL.redact_growing([*words[:stable], *guess], stable)
            assert shown[: len(before)] == before
            assert shown[:unchanging] == whole[:unchanging]
            before = shown[:unchanging]


def test_plain_words_are_not_held_back_for_numbers() -> None:
    shown, stable = Redactor([Redaction.CARD]).redact_growing(placed("we think that this is good"), 5)
    assert (len(shown), stable) == (6, 5)
