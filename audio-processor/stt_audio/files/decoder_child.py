"""What runs in the process of one file's decoder: it sends messages over a pipe and ends.

The replica trusts none of them: they are plain values, checked when they are read.
"""

from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from stt_audio.files.decoder import FileDecoder
from stt_audio.isolation import child
from stt_audio.isolation.limits import MAX_MEMORY_BYTES, allow_cpu_for, limit_this_process
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import DecodedFile
from stt_shared.contracts.session import ChannelMode
from stt_shared.process.priority import lower_thread_priority


class Opened(msgspec.Struct, tag=True, frozen=True):
    """First message: the file is open.

    ``total_samples``: its length according to the file itself, 0 if unknown. ``channels``: as in ``FileDecoder``.
    """

    total_samples: int
    channels: tuple[int, ...] = ()


class Decoded(msgspec.Struct, tag=True, frozen=True):
    """The next second of 16 kHz s16le, all channels interleaved; the last one may be shorter."""

    pcm: bytes


class Ended(msgspec.Struct, tag=True, frozen=True):
    """Last message: all of the file has been sent. ``found``: what was found in it."""

    found: DecodedFile


class Refused(msgspec.Struct, tag=True, frozen=True):
    """Last message: the file cannot be decoded."""

    code: str
    message: str


class Unreadable(msgspec.Struct, tag=True, frozen=True):
    """Last message: the file cannot be read."""

    cause: str


class Failed(msgspec.Struct, tag=True, frozen=True):
    """Last message: decoding ended with an error that nobody expected."""

    cause: str


Message = Opened | Decoded | Ended | Refused | Unreadable | Failed


def serve(pipe: Connection, path: Path, max_samples: int, track: int | None, channel_mode: ChannelMode) -> None:
    """Decode a file and send the messages; the pipe's reader sets the pace. Call it in a process of its own."""
    child.begin()
    lower_thread_priority()
    try:
        limit_this_process(path.stat().st_size)
        _decode(pipe, path, max_samples, track, channel_mode)
    except BrokenPipeError:
        pass  # the replica does not need the rest
    except OSError as error:
        _send(pipe, Unreadable(str(error)))


def _decode(pipe: Connection, path: Path, max_samples: int, track: int | None, channel_mode: ChannelMode) -> None:
    try:
        with FileDecoder(path, max_samples, track=track, channel_mode=channel_mode) as decoder:
            allow_cpu_for(decoder.total_samples or max_samples)
            _send(pipe, Opened(decoder.total_samples, decoder.channels))
            while pcm := decoder.read():
                _send(pipe, Decoded(pcm))
            _send(pipe, Ended(decoder.found))
    except SttError as error:
        _send(pipe, Refused(error.code, error.message))
    except MemoryError:
        allowed = f"the {MAX_MEMORY_BYTES >> 20} MiB that are allowed"
        _send(pipe, Refused("too_large", f"decoding the file takes more memory than {allowed}; send the audio alone"))
    except OSError:
        raise
    except Exception as unexpected:
        _send(pipe, Failed(repr(unexpected)))


def _send(pipe: Connection, message: Message) -> None:
    pipe.send_bytes(msgspec.msgpack.encode(message))
