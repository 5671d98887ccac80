"""Transcripts as documents for people."""

import io
import xml.etree.ElementTree as ET
import zipfile

import pytest

from stt_gateway.core.documents.document import Document, clock, facts, markdown
from stt_gateway.core.documents.docx import docx
from stt_gateway.core.documents.paragraphs import Paragraph, paragraphs
from stt_shared.contracts.jobs import JobSegment

pytestmark = pytest.mark.unit

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def said(start: float, end: float, text: str, speaker: str = "") -> JobSegment:
    return JobSegment(0, start, end, text, 0.9, [], speaker=speaker)


def test_paragraphs_end_where_another_speaks_after_a_pause_and_when_they_are_long() -> None:
    talk = [
        said(0, 1, " Good morning.", "Anna"),
        said(1.5, 2, "How are you?", "Anna"),
        said(2, 3, "Fine.", "Bob"),
        said(5, 6, "And you?", "Bob"),
        said(6, 6.5, " ", "Bob"),
        said(6.5, 7, "x" * 500 + ".", "Anna"),
        said(7, 8, "Well.", "Anna"),
    ]
    assert paragraphs(talk) == [
        Paragraph(0, "Anna", "Good morning. How are you?"),
        Paragraph(2, "Bob", "Fine."),
        Paragraph(5, "", "And you?"),
        Paragraph(6.5, "Anna", "x" * 500 + "."),
        Paragraph(7, "", "Well."),
    ]
    assert paragraphs([]) == []


def test_a_document_in_markdown_says_what_was_said_and_nothing_else() -> None:
    about = facts(1_767_225_600_000, 120, 3723.4, "en")
    assert about == ["2026-01-01 02:00", "1:02:03", "en"]
    document = Document(
        "*Minutes* #2", about, [Paragraph(83, "A_b", "1 < 2, [see] R&D &lt;"), Paragraph(90, "", "- no list")], True
    )
    assert markdown(document) == (
        "# \\*Minutes\\* #2\n\n2026-01-01 02:00 · 1:02:03 · en\n\n"
        "**A\\_b** (1:23) 1 \\< 2, \\[see\\] R&D \\&lt;\n\n(1:30) - no list\n"
    )
    plain = Document("T", ["x"], [Paragraph(0, "", "- no list"), Paragraph(0, "", "2. neither")], has_times=False)
    assert markdown(plain) == "# T\n\nx\n\n\\- no list\n\n2\\. neither\n"


def test_a_document_for_word_processors_is_sound_xml_in_a_sound_package() -> None:
    document = Document("A & <B>\x01", ["2026-01-01"], [Paragraph(0, "Dana", "Hi"), Paragraph(61, "", "שלום")], True)
    file = docx(document)
    assert file == docx(document), "the same bytes every time"
    with zipfile.ZipFile(io.BytesIO(file)) as package:
        assert package.testzip() is None
        parts = {name: ET.fromstring(package.read(name)) for name in package.namelist()}
    assert "[Content_Types].xml" in parts
    written = parts["word/document.xml"].findall(f".//{W}p")
    assert ["".join(one.itertext()) for one in written] == ["A & <B>", "2026-01-01", "Dana (0:00) Hi", "(1:01) שלום"]
    assert [one.find(f".//{W}bidi") is not None for one in written] == [False, False, False, True]
    without = docx(Document("T", [], [Paragraph(61, "", "Hi")], has_times=False))
    with zipfile.ZipFile(io.BytesIO(without)) as package:
        assert b"1:01" not in package.read("word/document.xml")


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (83.9, "1:23"), (3723, "1:02:03")])
def test_a_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
