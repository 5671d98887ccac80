"""Beginning of a recording in a live stream: after tags, padding and junk, which are passed over."""

from stt_audio.codecs.formats import LIVE_MEDIA, LIVE_NAMES, Media
from stt_audio.codecs.refused import refusal
from stt_audio.codecs.signatures import CERTAIN_FRAMES
from stt_audio.codecs.sniff import HEAD_BYTES, MAX_JUNK_BYTES, find_media, sniff, tag_bytes
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding

SEARCHED_BYTES = 16_384
"""Bytes, besides tags and zeros, in which a recording must begin: the end of a cut frame or a line of some protocol may
come first. Fewer than in files, since samples without an announcement should be refused soon."""
_ZEROS_KEPT = 3
"""The most zeros that an MP4 begins with."""
_MAX_TAGS = 16


class Opening:
    """Bytes of a stream from which the next recording may begin. ``head``: those that were not passed over."""

    def __init__(self, head: bytes = b"") -> None:
        self.head = head
        self._skip = 0
        self._tags_left = _MAX_TAGS
        self._zeros_left = MAX_JUNK_BYTES

    def feed(self, data: bytes) -> None:
        """Add ``data``."""
        self.head += data

    def take(self) -> bytes:
        """Return the head and keep nothing of it."""
        head, self.head = self.head, b""
        return head

    def found(self, encoding: Encoding, *, ended: bool = False) -> Media | None:
        """Return the container that the head begins with, after dropping what comes before it; None when more bytes are
        needed.

        Raises SttError: unsupported_media when ``encoding`` is to be detected and is not known, bad_audio when the
        stream is not what was announced.
        """
        self._drop_tags()
        if len(self.head) < HEAD_BYTES:
            return None
        if encoding is not Encoding.AUTO:
            return expected_media(encoding, self.head)
        found = find_media(self.head, ended=ended, kinds=CERTAIN_FRAMES, max_junk_bytes=SEARCHED_BYTES)
        if found is None:
            return None
        media = found.media or (sniff(self.head) if ended else None)
        if media not in LIVE_MEDIA:
            allowed = f"{LIVE_NAMES}; bare samples must be announced, for instance as pcm_s16le"
            raise SttError("unsupported_media", refusal(self.head, allowed))
        self.head = self.head[found.offset :]
        return media

    def _drop_tags(self) -> None:
        """Drop tags and padding."""
        at, head = 0, self.head
        while True:
            skipped = min(self._skip, len(head) - at)
            at += skipped
            self._skip -= skipped
            n_zeros = len(head) - at - len(head[at:].lstrip(b"\0"))
            padding = max(0, min(n_zeros - _ZEROS_KEPT, self._zeros_left))
            at += padding
            self._zeros_left -= padding
            tag_at = at + n_zeros - padding
            if len(head) < tag_at + HEAD_BYTES or not self._tags_left:
                break
            length = tag_bytes(head[tag_at : tag_at + 2 * HEAD_BYTES])
            if not length:
                break
            self._tags_left -= 1
            self._skip = length
            at = tag_at
        self.head = head[at:]


def expected_media(encoding: Encoding, head: bytes) -> Media:
    """Return the container of a stream that was announced as ``encoding``, not ``auto``, and begins with ``head``.

    Raises SttError(bad_audio) when it does not begin so.
    """
    if encoding is Encoding.MP3:  # these two may begin in the middle of a frame
        return Media.MP3
    found = sniff(head)
    if encoding is Encoding.AAC:
        return Media.MOV if found is Media.MOV else Media.AAC
    wanted = {Encoding.WEBM: Media.MATROSKA}.get(encoding) or Media(encoding.value)
    if found is not wanted:
        raise SttError(
            "bad_audio",
            f"the stream was announced as {encoding} but does not begin like one; "
            "a new connection must begin with the recording's header, so start the recorder again",
        )
    return wanted
