"""Parser of MPEG-TS, which finds where a decoder can begin."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from stt_audio.codecs.stream_parser import MAX_PART_BYTES, StreamParser

PACKET_BYTES = 188
_SYNC = b"\x47"
_PROVEN_PACKETS = 5
_PAT_PID = 0
_LATM = 0x11
_MAX_SECTION_BYTES = 4096
_MAX_TABLE_BYTES = 32 * PACKET_BYTES
_CRC_BYTES = 4
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


class _Table:
    """A table in the making (PAT or PMT): its section, and the packets that it comes in."""

    def __init__(self) -> None:
        self._section = b""
        self._packets = b""

    def feed(self, packet: _Packet) -> tuple[bytes, bytes] | None:
        """Return the section without its checksum, and its packets, once it is complete."""
        if packet.starts_unit:
            self._section = packet.payload[1 + packet.payload[0] :] if packet.payload else b""
            self._packets = packet.raw
        elif self._packets:
            self._section += packet.payload
            self._packets += packet.raw
        if len(self._packets) > _MAX_TABLE_BYTES:
            self._packets = b""
        length = 3 + int.from_bytes(self._section[1:3], "big") % _MAX_SECTION_BYTES
        if not self._packets or len(self._section) < max(length, 3 + _CRC_BYTES):
            return None
        whole, self._packets = (self._section[: length - _CRC_BYTES], self._packets), b""
        return whole


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
    """MPEG-TS: a decoder can begin wherever a piece of sound (PES) does. The head is the tables that say where."""

    def __init__(self) -> None:
        super().__init__()
        self._in_step = False
        self._junk_bytes = 0
        self._tables = {_PAT_PID: _Table()}
        # Section and packets by PID, in the order in which they came: it decides which sound is the first.
        self._known: dict[int, tuple[bytes, bytes]] = {}
        self._sounds: dict[int, _Sound] = {}

    @property
    def undecided_bytes(self) -> int:
        """Zero: packets of the next recording are packets like all others."""
        return 0

    def _part(self, pending: bytearray) -> int:
        if len(pending) < PACKET_BYTES:
            return 0
        if self._in_step and pending.startswith(_SYNC):
            if packet := _parsed(bytes(pending[:PACKET_BYTES])):
                self._packet(packet)
            return PACKET_BYTES
        return self._sync(pending)

    def _sync(self, pending: bytearray) -> int:
        """Return the number of bytes before the next sync byte that several others follow; 0 while that is unknown."""
        self._in_step = False
        if len(pending) < _PROVEN_PACKETS * PACKET_BYTES:
            return 0
        if pending[: _PROVEN_PACKETS * PACKET_BYTES : PACKET_BYTES] == _SYNC * _PROVEN_PACKETS:
            self._in_step, self._junk_bytes = True, 0
            return self._part(pending)
        following = pending.find(_SYNC, 1)
        n_bytes = following if following > 0 else len(pending)
        self._junk_bytes += n_bytes
        return n_bytes if self._junk_bytes <= MAX_PART_BYTES else self._lose()

    def _packet(self, packet: _Packet) -> None:
        if packet.pid in self._tables:
            if whole := self._tables[packet.pid].feed(packet):
                self._note(packet.pid, *whole)
            return
        if packet.starts_unit and self._head and _begins_sound(packet.payload):
            for at in self._sounds.setdefault(packet.pid, _Sound()).begin(self._at):
                self._start(at - self._at)
        if sound := self._sounds.get(packet.pid):
            sound.n_bytes += len(packet.payload)

    def _note(self, pid: int, section: bytes, packets: bytes) -> None:
        """Keep a table for the head, unless it is just repeated; look for the tables that a PAT names."""
        if pid in self._known and self._known[pid][0] == section:
            return
        self._known[pid] = section, packets
        if pid == _PAT_PID:
            pids = (_PAT_PID, *_named_pids(section))
            self._tables = {each: self._tables.get(each) or _Table() for each in pids}
            self._known = {each: table for each, table in self._known.items() if each in pids}
        elif _LATM in _stream_types(section):
            self.refusal = LATM_UNCERTAIN
        if len(self._known) > 1 and _PAT_PID in self._known:
            tables = (packets for pid, (_, packets) in self._known.items() if pid != _PAT_PID)
            self._head = b"".join((self._known[_PAT_PID][1], *tables))


def _parsed(raw: bytes) -> _Packet | None:
    """Return what a packet holds; None for a damaged one, or one without payload."""
    is_damaged, has_adaptation, has_payload = raw[1] & 0x80, raw[3] & 0x20, raw[3] & 0x10
    if is_damaged or not has_payload:
        return None
    payload = raw[5 + raw[4] :] if has_adaptation else raw[4:]
    return _Packet(raw, (raw[1] & 0x1F) << 8 | raw[2], bool(raw[1] & 0x40), payload)


def _named_pids(pat: bytes) -> list[int]:
    """Return where the tables of the programmes are, according to a PAT."""
    entries = [pat[at : at + 4] for at in range(8, len(pat) - 3, 4)]
    return [int.from_bytes(entry[2:], "big") & 0x1FFF for entry in entries if entry[:2] != b"\0\0"]


def _stream_types(pmt: bytes) -> set[int]:
    """Return the types of the streams of a programme, according to its PMT."""
    types, at = set(), 12 + (int.from_bytes(pmt[10:12], "big") & 0xFFF)
    while at + 5 <= len(pmt):
        types.add(pmt[at])
        at += 5 + (int.from_bytes(pmt[at + 3 : at + 5], "big") & 0xFFF)
    return types


def _begins_sound(payload: bytes) -> bool:
    """Return whether a PES packet begins that may hold sound: of MPEG's codecs, or of others."""
    return payload[:3] == b"\0\0\1" and len(payload) > 3 and (payload[3] & 0xE0 == 0xC0 or payload[3] in (0xBD, 0xFD))
