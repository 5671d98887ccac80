"""Parser of FLV, which finds where a decoder can begin."""

from stt_audio.codecs.stream_parser import MAX_PART_BYTES, StreamParser

_SIGNATURE = b"FLV\x01"
_HEADER_BYTES, _TAG_HEADER_BYTES, _SIZE_BYTES = 9, 11, 4
_AUDIO, _VIDEO, _SCRIPT = 8, 9, 18
_AAC, _EXTENDED_AUDIO = 10, 9
_AVC, _EXTENDED_VIDEO = 7, 0x80


class FlashVideoParser(StreamParser):
    """FLV: a decoder can begin at any tag of audio. The head is the header, and the tags that configure the codecs."""

    def __init__(self) -> None:
        super().__init__()
        self._header = b""
        self._configurations: dict[int, bytes] = {}

    def _part(self, pending: bytearray) -> int:
        if not self._header:
            return self._begin(pending)
        if len(pending) < _TAG_HEADER_BYTES + 2:
            return 0
        if pending.startswith(_SIGNATURE):
            return self._end()
        kind, whole = pending[0] & 0x1F, _TAG_HEADER_BYTES + int.from_bytes(pending[1:4], "big") + _SIZE_BYTES
        if kind not in (_AUDIO, _VIDEO, _SCRIPT):
            return self._lose()
        if _is_configuration(kind, pending[_TAG_HEADER_BYTES : _TAG_HEADER_BYTES + 2]) and whole <= MAX_PART_BYTES:
            if len(pending) < whole:
                return 0
            self._configurations[kind] = bytes(pending[:whole])
            self._head = self._header + b"".join(self._configurations.values())
        elif kind == _AUDIO:
            self._start()
        return whole

    def _begin(self, pending: bytearray) -> int:
        if len(pending) < _HEADER_BYTES:
            return 0
        whole = int.from_bytes(pending[5:9], "big") + _SIZE_BYTES
        if not pending.startswith(_SIGNATURE) or not _HEADER_BYTES + _SIZE_BYTES <= whole <= MAX_PART_BYTES:
            return self._lose()
        if len(pending) < whole:
            return 0
        self._header = self._head = bytes(pending[:whole])
        return whole


def _is_configuration(kind: int, content: bytearray) -> bool:
    """Return whether a tag configures its codec; by the first two bytes of its content."""
    if kind == _AUDIO:
        codec, is_extended = content[0] >> 4, content[0] >> 4 == _EXTENDED_AUDIO
        return content[0] & 15 == 0 if is_extended else codec == _AAC and content[1] == 0
    if kind == _VIDEO:
        codec, is_extended = content[0] & 15, bool(content[0] & _EXTENDED_VIDEO)
        return content[0] & 15 == 0 if is_extended else codec == _AVC and content[1] == 0
    return False
