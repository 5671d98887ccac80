"""From timed pieces to words."""

from itertools import pairwise

import pytest

from stt_transcriber.core.text.join import join_words
from stt_transcriber.engines.words import Piece, compression_ratio, pieces_of, timed_words

pytestmark = pytest.mark.unit


def pieces(*texts: str) -> list[Piece]:
    """Each 0.2 s long, one after the other."""
    return [Piece(text, 1, i * 0.2, (i + 1) * 0.2, 0.5) for i, text in enumerate(texts)]


def texts(*parts: str) -> list[str]:
    return [word.text for word in timed_words(pieces(*parts), 30.0)]


def test_marks_go_to_the_word_they_belong_to() -> None:
    assert texts(' "', "Well", ",", " he", " said", '."') == ['"Well,', "he", 'said."']
    assert texts(" Non", " !", " Si", ".") == ["Non !", "Si."]
    assert texts(" ¿", "Qué", "?") == ["¿Qué?"]
    assert texts(" costs", " $", "5", ".") == ["costs", "$5."]
    assert texts(" ...") == ["..."]


def test_a_word_is_not_cut_at_its_apostrophe_or_hyphen() -> None:
    assert texts(" L", "'accident", " des", " États", "-Unis", ".") == ["L'accident", "des", "États-Unis."]


def test_in_scripts_without_spaces_every_piece_is_a_word() -> None:
    assert texts("今", "日", "は", "、", "「", "雨", "」", "。") == ["今", "日", "は、", "「雨」。"]
    assert texts("我", "们", "用", "mach", "ine", " learning", "做", "20", "24", "年") == [
        "我", "们", "用", "machine", "learning", "做", "2024", "年",
    ]  # fmt: skip
    assert texts("วัน", "นี้", " เรา", "ใช้", "Goo", "gle") == ["วัน", "นี้", "เรา", "ใช้", "Google"]


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((" Ever", " tried", "."), "Ever tried."),
        (("Ever", " tried"), "Ever tried"),
        ((" Non", " !", " L", "'accident"), "Non ! L'accident"),
        (("我", "用", "machine", " learning", "。", " ", "再", "见"), "我用machine learning。 再见"),
        (("12", " 30", "，", " ", " 电", "话"), "12 30， 电话"),
        (("今日", "は", "「", "」", " ", "です"), "今日は「」 です"),
        ((" Yes", ' "', " -", " no", '"'), 'Yes " - no"'),
        (("สวัสดี", "ครับ", " วัน", "นี้"), "สวัสดีครับ วันนี้"),
        ((" 안녕", "하세요", " 세계"), "안녕하세요 세계"),
    ],
)
def test_words_joined_are_the_text(parts: tuple[str, ...], text: str) -> None:
    assert join_words(timed_words(pieces(*parts), 30.0)) == text


def test_what_precedes_the_first_word_depends_on_its_script() -> None:
    for parts in ((" Ever",), ("Ever",), (" 안녕",), ("Привет",)):
        assert timed_words(pieces(*parts), 30.0)[0].space_before, parts
    for parts in (("今",), (" 今",), ("วัน",), ("ថ្ងៃនេះ",)):
        assert not timed_words(pieces(*parts), 30.0)[0].space_before, parts


def test_a_words_times_are_those_of_its_letters() -> None:
    one, two = timed_words(pieces(" Yes", ".", " No", "!"), 30.0)
    assert (one.start_s, one.end_s) == pytest.approx((0.0, 0.2))
    assert (two.start_s, two.end_s) == pytest.approx((0.4, 0.6))


def test_times_are_put_inside_and_in_order() -> None:
    wild = [Piece(" a", 1, -1.0, 0.4, 0.5), Piece(" b", 1, 0.3, 0.35, 1.5), Piece(" c", 1, 0.5, 9.0, 0.5)]
    words = timed_words(wild, 1.0)
    edges = [edge for word in words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert edges[-1] == 1.0
    assert words[1].probability == 1.0


def test_silence_before_the_first_word_is_not_its_own() -> None:
    spoken = [Piece(" a", 1, 0.0, 3.0, 0.5), *(Piece(" b", 1, 3.0 + i * 0.2, 3.2 + i * 0.2, 0.5) for i in range(4))]
    assert timed_words(spoken, 10.0)[0].start_s == pytest.approx(2.6)


def test_pieces_are_timed_by_where_the_path_first_meets_their_tokens() -> None:
    path = [(0, 0), (0, 1), (1, 5), (2, 9), (2, 10), (3, 20)]
    first, second = pieces_of([" ab", " c"], [2, 1], path, [0.2, 0.4, 0.9], 50.0)
    assert (first.start_s, first.end_s, first.probability) == pytest.approx((0.0, 0.18, 0.3))
    assert (second.start_s, second.end_s, second.probability) == pytest.approx((0.18, 0.4, 0.9))


def test_a_loop_compresses_and_speech_does_not() -> None:
    assert compression_ratio("fail again " * 20) > 2.4
    assert compression_ratio("Ever tried. Ever failed. No matter.") < 1.5
    assert compression_ratio("") == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι με",
        "Всички хора се раждат свободни и равни по достойнство и права. Те са надарени с разум и съвест",
        "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है",
        "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்; அவர்கள் மதிப்பிலும், உரிமைகளிலும் சமமானவர்கள்",
        "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით. მათ მინიჭებული აქვთ გონება",
    ],
)
def test_speech_in_any_script_does_not_compress_like_a_loop(text: str) -> None:
    assert compression_ratio(text) < 1.6
    assert compression_ratio((text[:20] + " ") * 8) > 2.4


def test_every_word_has_a_length_where_there_is_room() -> None:
    crowded = [Piece(f" w{n}", 1, 24.3, 24.3, 0.1) for n in range(5)] + [Piece(" end", 1, 24.3, 25.0, 0.9)]
    for duration_s in (24.3, 25.0, 30.0):
        words = timed_words(crowded, duration_s)
        assert [word.text for word in words] == ["w0", "w1", "w2", "w3", "w4", "end"]
        assert all(word.end_s - word.start_s > 0.019 for word in words)
        assert all(before.end_s <= after.start_s for before, after in pairwise(words))
        assert words[0].start_s >= 0
        assert words[-1].end_s <= duration_s
    assert len(timed_words(crowded, 0.05)) == 6, "no room: their times are as they were"
