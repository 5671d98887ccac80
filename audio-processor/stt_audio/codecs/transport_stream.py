"""Parser of MPEG-TS, which finds where a decoder can begin."""

import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from stt_audio.codecs.stream_parser import MAX_PART_BYTES, Start, StreamParser

PACKET_BYTES = 188
SYNC = b"\x47"
PROVEN_PACKETS = 5
_PAT_PID, _PAT_ID, _PMT_ID = 0, 0, 2
_LATM = 0x11
_MAX_SECTION_BYTES = 4096
_MAX_TABLE_BYTES = 32 * PACKET_BYTES
_FIXED_BYTES, _CRC_BYTES = 8, 4
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_MAX_AHEAD_BYTES = 1_048_576
TABLES_MISSING = "the MPEG-TS stream does not say what it holds: no PAT with a PMT in its first MiB"
LATM_UNCERTAIN = (
    "AAC in LATM within MPEG-TS cannot be decoded while it arrives; send ADTS (FFmpeg: without -mpegts_flags latm), or "
    "the recording as a file"
)
"""FFmpeg guesses such a stream's codec by its first kilobyte, and one time of a hundred guesses wrong."""
_PIECES_AHEAD, _BYTES_AHEAD = 2, 2048
"""Sound after the place where a decoder may begin, without which it does not give the same: FFmpeg looks at the first
kilobyte for the codec, gives a piece only when the next has come, and needs each to decode the next."""


@dataclass(frozen=True)
class _Packet:
    raw: bytes
    pid: int
    starts_unit: bool
    payload: bytes


_Key = tuple[int, bytes, bytes]
_Content = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Section:
    """A part of a table, the ``packets`` that it came in, and its ``content``: numbers and PIDs of programmes, or types
    and PIDs of their streams. Sections of the same ``key`` replace each other."""

    pid: int
    raw: bytes
    packets: bytes

    @property
    def is_valid(self) -> bool:
        """Whether it is whole, and holds true now."""
        table, is_current = _PAT_ID if self.pid == _PAT_PID else _PMT_ID, self.raw[5:6] and self.raw[5] & 1
        is_intact = zlib.crc32(self.raw.translate(_REVERSED)) == 0xFFFF_FFFF  # FFmpeg ignores others, too
        return self.raw[0] == table and bool(is_current) and is_intact

    @property
    def key(self) -> _Key:
        return self.pid, self.raw[3:5], self.raw[6:7]

    @property
    def content(self) -> _Content:
        return tuple(_programmes(self.raw) if self.pid == _PAT_PID else _streams(self.raw))


class _Table:
    """A table in the making (PAT or PMT): a section, and the packets that it comes in."""

    def __init__(self) -> None:
        self._section = b""
        self._packets = b""

    def feed(self, packet: _Packet) -> _Section | None:
        """Return the section once it is complete."""
        if packet.starts_unit:
            self._section = packet.payload[1 + packet.payload[0] :] if packet.payload else b""
            self._packets = packet.raw
        elif self._packets:
            self._section += packet.payload
            self._packets += packet.raw
        length = 3 + int.from_bytes(self._section[1:3], "big") % _MAX_SECTION_BYTES
        if len(self._packets) > _MAX_TABLE_BYTES:
            self._packets = b""
        if not self._packets or len(self._section) < max(length, _FIXED_BYTES + _CRC_BYTES):
            return None
        packets, self._packets = self._packets, b""
        return _Section(packet.pid, self._section[:length], packets)


class _Sound:
    """One stream of sound: how many bytes there were, and where its last pieces begin."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self._begun: deque[tuple[int, int]] = deque()

    def begin(self, at: int) -> Iterator[int]:
        """Note that a piece begins at ``at``, and yield where earlier ones begin that enough has followed now."""
        self._begun.append((at, self.n_bytes))
        while len(self._begun) > _PIECES_AHEAD and self.n_bytes - self._begun[0][1] >= _BYTES_AHEAD:
            yield self._begun.popleft()[0]


class TransportStreamParser(StreamParser):
    """MPEG-TS: a decoder can begin wherever a piece of sound (PES) does. The head is the tables that say where.

    The first decoder has to begin after the tables as well: from sound alone FFmpeg guesses, and takes the first.
    The recording ends where the streams change, since FFmpeg would go on waiting for the old ones.
    """

    begins: Start | None = None

    def __init__(self) -> None:
        super().__init__()
        self._in_step = False
        self._junk_bytes = 0
        self._tables = {_PAT_PID: _Table()}
        # In the order in which they came: it decides which sound is the first.
        self._known: dict[_Key, _Section] = {}
        self._sounds: dict[int, _Sound] = {}

    @property
    def table_pids(self) -> frozenset[int]:
        """PIDs of the packets that say which streams there are; nothing else decides where the recording ends."""
        return frozenset(self._tables)

    def _part(self, pending: bytearray) -> int:
        if len(pending) < PACKET_BYTES:
            return 0
        if not (self._in_step and pending.startswith(SYNC)):
            return self._sync(pending)
        if packet := _parsed(bytes(pending[:PACKET_BYTES])):
            if packet.pid == _PAT_PID and self.begins:  # the next decoder needs it, if other streams follow
                if len(pending) < 2 * PACKET_BYTES:
                    return 0
                if self._changes(_parsed(bytes(pending[PACKET_BYTES : 2 * PACKET_BYTES]))):
                    return self._end()
            self._packet(packet)
        if self.begins is None and self._at > _MAX_AHEAD_BYTES:
            self.refusal = TABLES_MISSING
        return PACKET_BYTES

    def _sync(self, pending: bytearray) -> int:
        """Return the number of bytes before the next sync byte that several others follow; 0 while that is unknown."""
        self._in_step = False
        if len(pending) < PROVEN_PACKETS * PACKET_BYTES:
            return 0
        if pending[: PROVEN_PACKETS * PACKET_BYTES : PACKET_BYTES] == SYNC * PROVEN_PACKETS:
            self._in_step, self._junk_bytes = True, 0
            return self._part(pending)
        following = pending.find(SYNC, 1)
        n_bytes = following if following > 0 else len(pending)
        self._junk_bytes += n_bytes
        return n_bytes if self._junk_bytes <= MAX_PART_BYTES else self._lose()

    def _packet(self, packet: _Packet) -> None:
        if packet.pid in self._tables:
            if section := self._tables[packet.pid].feed(packet):
                self._note(section)
            return
        if packet.starts_unit and self.begins and _begins_sound(packet.payload):
            for at in self._sounds.setdefault(packet.pid, _Sound()).begin(self._at):
                self._start(at - self._at)
        if sound := self._sounds.get(packet.pid):
            sound.n_bytes += len(packet.payload)

    def _changes(self, packet: _Packet | None) -> bool:
        """Return whether ``packet`` holds a whole table with other streams than before."""
        if packet is None or packet.pid not in self._tables:
            return False
        section = _Table().feed(packet)
        return section is not None and section.is_valid and self._replaces(section)

    def _replaces(self, section: _Section) -> bool:
        """Return whether streams are gone or others, and not just more."""
        known = self._known.get(section.key)
        return known is not None and section.content[: len(known.content)] != known.content

    def _note(self, section: _Section) -> None:
        """Keep a section for the head, unless it is just repeated; look for the tables that a PAT names."""
        known = self._known.get(section.key)
        if known is None or known.raw != section.raw:
            if not section.is_valid:
                return
            if self.begins and self._replaces(section):
                self._end()
                return
            self._known[section.key] = section
            self._head = b"".join(each.packets for each in sorted(self._known.values(), key=_is_pmt))
            if section.pid == _PAT_PID:
                self._tables = {pid: self._tables.get(pid) or _Table() for pid in (0, *self._pmt_pids)}
            elif any(stream_type == _LATM for stream_type, _ in section.content):
                self.refusal = LATM_UNCERTAIN
        if self.begins is None and self._is_complete(repeats=known is not None and section.pid == _PAT_PID):
            self.begins = Start(self._at + PACKET_BYTES, self._head, b"")

    @property
    def _pmt_pids(self) -> list[int]:
        tables = (each.content for each in self._known.values() if each.pid == _PAT_PID)
        return [pid for content in tables for _, pid in content]

    def _is_complete(self, *, repeats: bool) -> bool:
        """Return whether the tables of all programmes are there. When the PAT ``repeats``, those of one are enough."""
        there = {each.pid for each in self._known.values()}
        return len(there) > 1 and _PAT_PID in there and (repeats or there.issuperset(self._pmt_pids))


def _parsed(raw: bytes) -> _Packet | None:
    """Return what a packet holds; None for a damaged one, or one without payload."""
    is_damaged, has_adaptation, has_payload = raw[1] & 0x80, raw[3] & 0x20, raw[3] & 0x10
    if is_damaged or not has_payload:
        return None
    payload = raw[5 + raw[4] :] if has_adaptation else raw[4:]
    return _Packet(raw, (raw[1] & 0x1F) << 8 | raw[2], bool(raw[1] & 0x40), payload)


def _is_pmt(section: _Section) -> bool:
    return section.pid != _PAT_PID


def _programmes(pat: bytes) -> Iterator[tuple[int, int]]:
    """Yield the programmes of a PAT: their numbers, and where their tables are."""
    for at in range(_FIXED_BYTES, len(pat) - _CRC_BYTES - 3, 4):
        number, pid = int.from_bytes(pat[at : at + 2], "big"), int.from_bytes(pat[at + 2 : at + 4], "big") & 0x1FFF
        if number:
            yield number, pid


def _streams(pmt: bytes) -> Iterator[tuple[int, int]]:
    """Yield the streams of a programme, according to its PMT: their types, and where they are."""
    at = 12 + (int.from_bytes(pmt[10:12], "big") & 0xFFF)
    while at + 5 <= len(pmt) - _CRC_BYTES:
        yield pmt[at], int.from_bytes(pmt[at + 1 : at + 3], "big") & 0x1FFF
        at += 5 + (int.from_bytes(pmt[at + 3 : at + 5], "big") & 0xFFF)


def _begins_sound(payload: bytes) -> bool:
    """Return whether a PES packet begins that may hold sound: of MPEG's codecs, or of others."""
    return payload[:3] == b"\0\0\1" and len(payload) > 3 and (payload[3] & 0xE0 == 0xC0 or payload[3] in (0xBD, 0xFD))
