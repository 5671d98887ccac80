"""Small files that claim a lot: what a decoder allocates for them is bounded by nothing but its own limits."""

import struct

MIB = 1 << 20


def wav_tag(claimed_bytes: int = 0x3FFFFFF0) -> bytes:
    """A WAV of 48 bytes whose one tag claims a gigabyte."""
    tag = b"ISFT" + _le(claimed_bytes) + b"x" * 16
    return b"RIFF" + _le(0x7FFFFFFF) + b"WAVE" + b"LIST" + _le(claimed_bytes + 64) + b"INFO" + tag


def mp4_sample_table(samples: int = 20_000_000, tracks: int = 1) -> bytes:
    """An MP4 whose ``stsz`` claims that many samples of one byte in each track."""
    stbl = _stbl(
        _box(b"stts", _be(0, 1, samples, 1024)),
        _box(b"stsc", _be(0, 1, 1, samples, 1)),
        _box(b"stsz", _be(0, 1, samples)),
        _box(b"stco", _be(0, 1, 40)),
    )
    return _mp4(*(_track(number + 1, stbl) for number in range(tracks)))


def mp4_fragment(samples: int = 60_000_000) -> bytes:
    """An MP4 whose one fragment claims that many samples, all as long and as large as the track says."""
    empty = _stbl(*(_box(kind, bytes(8)) for kind in (b"stts", b"stsc", b"stco")), _box(b"stsz", bytes(12)))
    defaults = _box(b"mvex", _box(b"trex", _be(0, 1, 1, 1024, 1, 0)))
    run = _box(b"trun", _be(0x1, samples, 8))
    fragment = _box(b"moof", _box(b"mfhd", _be(0, 1)), _box(b"traf", _box(b"tfhd", _be(0x020000, 1)), run))
    return _mp4(_track(1, empty), defaults) + fragment + _box(b"mdat", bytes(64))


def mp4_far_away(offset: int) -> bytes:
    """An MP4 whose samples lie where no file has any."""
    stbl = _stbl(
        _box(b"stts", _be(0, 1, 10, 1024)),
        _box(b"stsc", _be(0, 1, 1, 10, 1)),
        _box(b"stsz", _be(0, 100, 10)),
        _box(b"co64", _be(0, 1), struct.pack(">Q", offset)),
    )
    return _mp4(_track(1, stbl))


def mkv_attachments(count: int, size_bytes: int) -> bytes:
    """A Matroska file of that many attached files, and nothing else."""
    attached = b"".join(
        _element("61A7", _element("466E", b"a.bin"), _element("4660", b"application/x"), _element("465C", data))
        for data in [bytes(size_bytes)] * count
    )
    info = _element("1549A966", _element("2AD7B1", b"\x0f\x42\x40"))
    head = _element("1A45DFA3", _element("4282", b"matroska"))
    return head + _element("18538067", info, _element("1941A469", attached))


def _le(number: int) -> bytes:
    return struct.pack("<I", number)


def _be(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def _box(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return _be(8 + len(data)) + kind + data


def _stbl(*tables: bytes) -> bytes:
    codec = bytes.fromhex("0380808022000100048080801440150000000001f4000001f40005808080021210068080800102")
    sound = bytes(6) + b"\0\1" + bytes(8) + struct.pack(">HHHHI", 2, 16, 0, 0, 44100 << 16)
    entry = _box(b"mp4a", sound, _box(b"esds", bytes(4), codec))
    return _box(b"stbl", _box(b"stsd", _be(0, 1), entry), *tables)


def _track(number: int, stbl: bytes) -> bytes:
    references = _box(b"dinf", _box(b"dref", _be(0, 1), _box(b"url ", _be(1))))
    media = (
        _box(b"mdhd", _be(0, 0, 0, 44100, 44100), b"\x55\xc4\0\0"),
        _box(b"hdlr", bytes(8), b"soun", bytes(14)),
        _box(b"minf", _box(b"smhd", bytes(8)), references, stbl),
    )
    return _box(b"trak", _box(b"tkhd", _be(7, 0, 0, number, 0, 1000), bytes(60)), _box(b"mdia", *media))


def _mp4(*parts: bytes) -> bytes:
    movie = _box(b"mvhd", _be(0, 0, 0, 1000, 1000), b"\0\1\0\0\1\0", bytes(74))
    return _box(b"ftyp", b"isom\0\0\2\0isomiso2mp41") + _box(b"moov", movie, *parts) + _box(b"mdat", bytes(4096))


def _element(identifier: str, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return bytes.fromhex(identifier) + (1 << 56 | len(data)).to_bytes(8, "big") + data
