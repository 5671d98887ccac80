"""A document for word processors: Office Open XML (ECMA-376) with the few parts that one needs. Pure."""

import io
import re
import unicodedata
import zipfile
from xml.sax.saxutils import escape

from stt_gateway.core.documents.document import Document, clock

_MAIN = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MADE = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same document

_TYPES = f"""<Types xmlns="{_PACKAGE}/content-types">\
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>\
<Default Extension="xml" ContentType="application/xml"/>\
<Override PartName="/word/document.xml" ContentType="{_WORD}.document.main+xml"/>\
<Override PartName="/word/styles.xml" ContentType="{_WORD}.styles+xml"/></Types>"""
_PACKAGE_PARTS = f"""<Relationships xmlns="{_PACKAGE}/relationships">\
<Relationship Id="document" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>"""
_DOCUMENT_PARTS = f"""<Relationships xmlns="{_PACKAGE}/relationships">\
<Relationship Id="styles" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>"""
_STYLES = f"""<w:styles xmlns:w="{_MAIN}">\
<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/>\
<w:pPr><w:spacing w:after="160" w:line="288" w:lineRule="auto"/></w:pPr><w:rPr><w:sz w:val="22"/></w:rPr></w:style>\
<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/><w:basedOn w:val="Normal"/>\
<w:pPr><w:spacing w:after="80"/></w:pPr><w:rPr><w:b/><w:sz w:val="40"/></w:rPr></w:style>\
<w:style w:type="paragraph" w:styleId="Subtitle"><w:name w:val="Subtitle"/><w:basedOn w:val="Normal"/>\
<w:pPr><w:spacing w:after="320"/></w:pPr><w:rPr><w:color w:val="595959"/></w:rPr></w:style></w:styles>"""


def docx(document: Document) -> bytes:
    """Return the file."""
    body = [
        _paragraph([("", document.title)], "Title"),
        _paragraph([("", " · ".join(document.facts))], "Subtitle"),
    ]
    for one in document.paragraphs:
        time = f"({clock(one.start)}) " if document.has_times else ""
        runs = [("<w:b/>", f"{one.voice} "), ('<w:color w:val="595959"/>', time), ("", one.text)]
        body.append(_paragraph([(style, text) for style, text in runs if text.strip()]))
    main = f'<w:document xmlns:w="{_MAIN}"><w:body>{"".join(body)}</w:body></w:document>'
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _PACKAGE_PARTS,
        "word/document.xml": main,
        "word/_rels/document.xml.rels": _DOCUMENT_PARTS,
        "word/styles.xml": _STYLES,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, part in parts.items():
            package.writestr(zipfile.ZipInfo(name, _MADE), _HEAD + part, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _paragraph(runs: list[tuple[str, str]], style: str = "") -> str:
    is_rtl = _runs_right_to_left("".join(text for _, text in runs))
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    written = "".join(_run(text, properties, is_rtl) for properties, text in runs)
    return f"<w:p><w:pPr>{named}{'<w:bidi/>' if is_rtl else ''}</w:pPr>{written}</w:p>"


def _run(text: str, properties: str, is_rtl: bool) -> str:
    safe = escape(_NOT_IN_XML.sub("", text))
    rtl = "<w:rtl/>" if is_rtl else ""
    return f'<w:r><w:rPr>{properties}{rtl}</w:rPr><w:t xml:space="preserve">{safe}</w:t></w:r>'


def _runs_right_to_left(text: str) -> bool:
    """Return whether the first letter with a direction has that one."""
    for char in text:
        if (direction := unicodedata.bidirectional(char)) in ("L", "R", "AL"):
            return direction != "L"
    return False
