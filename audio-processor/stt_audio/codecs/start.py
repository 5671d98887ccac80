"""Search for the beginning of the media in a stream that is arriving."""

from stt_audio.codecs.sniff import HEAD_BYTES, Found, find_media, tag_bytes

MAX_LIVE_JUNK_BYTES = 32_768
"""Most bytes before the media of a stream, besides tags, that are searched: a second of ordinary bare samples, so that
a stream that is no media is refused by then."""


class MediaStart:
    """Search that passes over tags and junk. Feed it until it returns what was found; then ``head`` begins there."""

    def __init__(self) -> None:
        self.head = bytearray()
        """What was fed and may belong to the media."""
        self.passed_bytes = 0
        """Bytes before ``head``."""
        self.restart_at = 0
        """Offset from which another search finds the same: before the tag that is being passed over."""
        self._tag_bytes_left = 0
        self._next_try_bytes = 0

    def feed(self, data: bytes, *, ended: bool = False) -> Found | None:
        """Add ``data`` and return what was found; None when more is needed, which is never so once the stream has
        ``ended``."""
        self.head += data
        while True:
            self._pass(min(self._tag_bytes_left, len(self.head)))
            if self._tag_bytes_left or (len(self.head) < HEAD_BYTES and not ended):
                return Found(None) if ended else None
            self.restart_at = self.passed_bytes
            self._tag_bytes_left = tag_bytes(self.head)
            if not self._tag_bytes_left:
                return self._searched(ended=ended)

    def _pass(self, n_bytes: int) -> None:
        del self.head[:n_bytes]
        self.passed_bytes += n_bytes
        self._tag_bytes_left = max(0, self._tag_bytes_left - n_bytes)

    def _searched(self, *, ended: bool) -> Found | None:
        if len(self.head) < self._next_try_bytes and not ended:
            return None
        found = find_media(bytes(self.head), ended=ended, max_junk_bytes=MAX_LIVE_JUNK_BYTES)
        # Searched again only when there is clearly more, so that single bytes do not cost a search each.
        self._next_try_bytes = len(self.head) * 9 // 8
        if found is not None and found.media is not None:
            self._pass(found.offset)
        return found
