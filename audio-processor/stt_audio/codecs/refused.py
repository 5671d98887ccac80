"""Names of what people send that is no recording, or one that is not decoded. The first bytes tell."""

import re

from stt_audio.codecs.formats import Media

_NAMES = (
    (rb"\s*#EXTM3U", "a playlist (M3U, HLS), which names other files; send the recording itself"),
    (rb"\s*\[playlist\]", "a playlist (PLS), which names other files; send the recording itself"),
    (rb"\s*ffconcat ", "a list of files; send the recordings themselves"),
    (rb"\s*<asx\b", "a playlist (ASX), which names other files; send the recording itself"),
    (rb"(?s)\s*<(?:\?xml.{0,512}?<)?(?:MPD|smil)\b", "a manifest (DASH, SMIL), which names other files"),
    (rb"v=0\r?\no=", "a session description (SDP), which holds no sound"),
    (rb"MThd", "a MIDI file, which holds notes and no sound"),
    (rb"(?s)RIFF....RMID", "a MIDI file, which holds notes and no sound"),
    (rb"MMMD", "a ring tone (SMAF)"),
    (rb"PK[\x03\x05\x07][\x04\x06\x08]", "a ZIP archive or an office document; unpack it first"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (rb"Rar!\x1a\x07", "a RAR archive; unpack it first"),
    (rb"\x1f\x8b\x08", "a gzip archive; unpack it first"),
    (rb"BZh[1-9]1AY&SY", "a bzip2 archive; unpack it first"),
    (rb"\xfd7zXZ\x00", "an xz archive; unpack it first"),
    (rb"\x28\xb5\x2f\xfd", "a Zstandard archive; unpack it first"),
    (rb"(?s).{257}ustar", "a TAR archive; unpack it first"),
    (rb"%PDF-", "a PDF document"),
    (rb"\{\\rtf", "an RTF document"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document"),
    (rb"\xff\xd8\xff", "a JPEG picture"),
    (rb"\x89PNG\r\n", "a PNG picture"),
    (rb"GIF8[79]a", "a GIF picture"),
    (rb"(?s)RIFF....WEBP", "a WebP picture"),
    (rb"(?s)BM....\x00\x00\x00\x00", "a BMP picture"),
    (rb"II\x2a\x00|MM\x00\x2a", "a TIFF picture"),
    (rb"(?s)....ftyp(?:heic|heix|hevc|mif1|msf1|avif|avis)", "a HEIC or AVIF picture"),
    (rb"(?s)....ftyp(?:aax |aaxc)", "an Audible book (AAX), which is copy-protected"),
    (rb"(?s)....\x57\x90\x75\x36", "an Audible book (AA), which is copy-protected"),
    (rb"(?s)....ftypM4P ", "a purchase from iTunes (M4P), which is copy-protected (FairPlay)"),
    (rb"\x03ds2", "an encrypted or DSS Pro dictation (DS2)"),
    (rb"(?:MAC |APE )", "a Monkey's Audio file (APE)"),
    (rb"DSD |FRM8", "a DSD file"),
    (rb"MPCK|MP\+", "a Musepack file"),
    (rb"\.RMF|\.ra\xfd", "a RealMedia file"),
    (rb"tBaK", "a TAK file"),
    (rb"OFR ", "an OptimFROG file"),
    (rb"ajkg", "a Shorten file"),
    (rb"DHAV", "a recording of a Dahua camera (DAV)"),
    (rb"[FCZ]WS[\x01-\x40]", "a Flash animation (SWF)"),
    (rb"WEBVTT|(?:\xef\xbb\xbf)?\d+\r?\n\d\d:\d\d:\d\d", "subtitles"),
    (rb"(?i)\s*(?:<!doctype html|<html|<head)", "a web page"),
    (rb"\x7fELF|MZ.\x00", "a program"),
    (rb"SQLite format 3", "a database"),
)
_PROTECTION = {
    Media.MOV: (
        (re.compile(rb"(?s)drms.*?sinf|sinf.*?drms"), "a purchase from iTunes, which is copy-protected (FairPlay)"),
        (re.compile(rb"(?s)enca.*?sinf|sinf.*?enca"), "an encrypted stream (DRM)"),
    ),
    Media.ASF: (
        (
            re.compile(
                rb"\xfb\xb3\x11\x22\x23\xbd\xd2\x11\xb4\xb7\x00\xa0\xc9\x55\xfc\x6e"
                rb"|\x14\xe6\x8a\x29\x22\x26\x17\x4c\xb9\x35\xda\xe0\x7e\xe9\x28\x9c"
            ),
            "a Windows Media file that is copy-protected (WMDRM)",
        ),
    ),
}
"""What the header of a container holds if its audio is encrypted."""
_PATTERNS = tuple((re.compile(pattern), name) for pattern, name in _NAMES)
_TEXT_BYTES = 64


def refused_name(head: bytes) -> str | None:
    """Return what begins with ``head``, as a noun phrase; None for what may be a recording, or is unknown."""
    return next((name for pattern, name in _PATTERNS if pattern.match(head)), None)


def protection_name(media: Media, header: bytes) -> str | None:
    """Return how a recording of ``media`` is protected according to its ``header``; None when it is not."""
    return next((name for pattern, name in _PROTECTION.get(media, ()) if pattern.search(header)), None)


def refusal(head: bytes, allowed: str) -> str:
    """Return the message for a stream that begins with ``head`` and is not decoded: what it is, what is allowed."""
    name = refused_name(head) or ("text" if _is_text(head[:_TEXT_BYTES]) else None)
    if name is None:
        return f"the data begins like none of: {allowed}"
    return named_refusal(name, allowed)


def named_refusal(name: str, allowed: str) -> str:
    """Return the message for ``name``, a noun phrase, which is not decoded."""
    return f"this looks like {name}; allowed are: {allowed}"


def _is_text(head: bytes) -> bool:
    return len(head) > 0 and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head)
