"""Text as search sees it, in many scripts."""

import random
import unicodedata
from itertools import pairwise

import pytest

from stt_gateway.store.folding import MAX_HITS, fold, fold_name, highlight, highlight_name, snippet

pytestmark = pytest.mark.unit


def hit_texts(original: str, query: str) -> list[str]:
    return [original[start:end] for start, end in highlight(original, query)]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hello, World!", "hello world"),
        ("don't", "don t"),
        ("don’t", "don t"),
        ("Café crème — ÉTÉ", "cafe creme ete"),
        ("cafe\u0301", "cafe"),
        ("Straße, STRASSE", "strasse strasse"),
        ("İstanbul ISPARTA ısparta Iğdır", "istanbul isparta isparta igdir"),
        ("Łódź Ørsted Æsir Þór", "lodz orsted aesir thor"),
        ("Việt Đồng", "viet dong"),
        ("ΑΘΉΝΑΣ Αθήνας", "αθηνασ αθηνασ"),
        ("Ёлка", "елка"),
        ("שָׁלוֹם", "שלום"),
        ("مُحَمَّد", "محمد"),
        ("محـــمد أحمد", "محمد احمد"),
        ("कितना क़लम", "कितना कलम"),
        ("東京都 AI技術", "東 京 都 ai 技 術"),
        ("がっこう", "か\u3099 っ こ う"),
        ("か\u3099っこう", "か\u3099 っ こ う"),
        ("ｶﾞﾗｽ", "カ\u3099 ラ ス"),
        ("ＦＵＬＬ　ｗｉｄｔｈ １２３", "full width 123"),
        ("ภาษาไทย", "ภ า ษ า ไ ท ย"),
        ("ที่นี่", "ที่ นี่"),
        ("ﬁne soft\u00adly x²", "fine softly x2"),
        ("👍 … !!!", ""),
        ("", ""),
        ("a\x00b\tc\nd", "a b c d"),
        ("a\ud800b", "a b"),
    ],
)
def test_a_text_is_folded(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_hangul_is_the_same_composed_and_not() -> None:
    assert fold("한국어 음성") == fold(unicodedata.normalize("NFD", "한국어 음성"))
    assert len(fold("한국어 음성").split()) == 2


def test_folding_twice_changes_nothing() -> None:
    # Letters of all planes, once each, each a word of its own.
    everything = " ".join(chr(code) for code in range(0x20, 0x20000) if not 0xD800 <= code < 0xE000)
    once = fold(everything)
    assert fold(once) == once
    assert fold_name(fold_name(everything)) == fold_name(everything)


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Müller_2024-05 (final).MP3", "muller_2024-05 (final).mp3"),
        ("  a \t b  ", "a b"),
        ("会議_録音.m4a", "会議_録音.m4a"),
        ("👍🏽.wav", "👍🏽.wav"),
        ("\x00\u202e", ""),
        ("100%_\"quote\" 'x'", "100%_\"quote\" 'x'"),
    ],
)
def test_a_name_keeps_its_punctuation(name: str, folded: str) -> None:
    assert fold_name(name) == folded


@pytest.mark.parametrize(
    ("original", "query", "hits"),
    [
        ("Das ist die große Straße.", "GROSSE strasse", ["große Straße"]),
        ("the cat, the dog; the cat", "the cat", ["the cat", "the cat"]),
        ("concatenate the cat", "cat", ["cat"]),
        ("one-two, one two", "one two", ["one-two", "one two"]),
        ("onetwo", "one two", []),
        ("cafe\u0301 au lait", "café", ["cafe\u0301"]),
        ("私は東京都に行く", "東京", ["東京"]),
        ("私は東 京に行く", "東京", ["東 京"]),
        ("かんがえる", "かん", ["かん"]),
        ("がんがん", "かん", []),
        ("新しいAI技術です", "ai技術", ["AI技術"]),
        ("我们用machine learning做", "machine learning", ["machine learning"]),
        ("ที่นี่ที่ไหน", "ที่", ["ที่", "ที่"]),
        ("कितना कित", "कित", ["कित"]),
        ("İyi günler", "iyi gunler", ["İyi günler"]),
        ("nothing here", "!?", []),
        ("a.b*c (d) [e] ^f$", "c d e", ["c (d) [e"]),
        ("x", "", []),
        ("", "x", []),
    ],
)
def test_hits_are_ranges_of_the_original(original: str, query: str, hits: list[str]) -> None:
    assert hit_texts(original, query) == hits


def test_hits_behind_letters_that_grow_and_vanish_are_in_place() -> None:
    # ß becomes two letters, accents none: positions drift over more than one block.
    original = "Straße e\u0301te\u0301 " * 700 + "Ziel"
    assert hit_texts(original, "ziel") == ["Ziel"]


def test_hits_are_where_the_fold_says() -> None:
    random_ = random.Random(5)
    alphabet = "abß é\u0301東京 ที่か\u3099한.،-İ"
    for _ in range(300):
        original = "".join(random_.choices(alphabet, k=40))
        tokens = fold(original).split()
        if not tokens:
            continue
        start = random_.randrange(len(tokens))
        phrase = " ".join(tokens[start : start + random_.randint(1, 3)])
        found = highlight(original, phrase)
        assert found, (original, phrase)
        for (_, end), (start, _) in pairwise(found):
            assert end <= start


def test_hits_are_bounded() -> None:
    assert len(highlight("ha " * 1000, "ha")) == MAX_HITS


def test_parts_of_names_are_marked() -> None:
    name = "Gespräch  Müller.MP3"
    assert [name[a:b] for a, b in highlight_name(name, "sprach mull")] == ["spräch  Müll"]
    assert [name[a:b] for a, b in highlight_name(name, "r.mp")] == ["r.MP"]
    assert highlight_name(name, " ") == []


def test_a_snippet_holds_the_first_hit_and_whole_words() -> None:
    text = "lorem ipsum " * 100 + "the needle\nhere " + "dolor sit " * 100
    shown, hits = snippet(text, "needle here")
    assert [shown[a:b] for a, b in hits] == ["needle here"]
    assert len(shown) <= 240
    assert shown.startswith(("lorem", "ipsum"))
    assert shown.endswith(("dolor", "sit"))


def test_a_snippet_of_a_long_text_holds_a_late_hit() -> None:
    shown, hits = snippet("wort " * 50_000 + "nadel", "nadel")
    assert [shown[a:b] for a, b in hits] == ["nadel"]


def test_a_snippet_finds_a_hit_wherever_the_looks_part() -> None:
    for before in range(16_384 - 1_040, 16_384 + 10, 3):
        # "concat" ends with what is looked for, at a place where a look may begin.
        text = "concat" * (before // 6) + "x" * (before % 6) + " the cat sat"
        shown, hits = snippet(text, "cat sat")
        assert [shown[a:b] for a, b in hits] == ["cat sat"]
        assert snippet(text, "cat")[1] != []
        assert snippet(text.replace("the cat", "the"), "cat")[1] == []


def test_a_snippet_without_a_hit_is_the_beginning() -> None:
    assert snippet("short text", "absent") == ("short text", [])
