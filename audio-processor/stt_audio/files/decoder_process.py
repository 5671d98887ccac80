"""A file's decoder in a process of its own."""

from multiprocessing import connection
from pathlib import Path

import msgspec
import structlog

from stt_audio.files import decoder_child
from stt_audio.files.decoder_child import Ended, Failed, Message, Opened, Refused, Unreadable
from stt_audio.isolation.process import CONTEXT, DecoderLost, IsolatedProcess
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import DecodedFile
from stt_shared.contracts.session import ChannelMode

_log = structlog.get_logger()

UNEXPECTED = "the file cannot be decoded"
"""Message for a file whose decoding ended with an error that nobody expected."""
_MAX_MESSAGE_BYTES = 1 << 20
MESSAGES = msgspec.msgpack.Decoder(Message)


class DecoderProcess:
    """Process that decodes one track of a file. Use ``open`` and ``read`` in one thread; ``kill`` may be called in any.

    Both raise SttError when the file cannot be decoded (see FileDecoder) or cost its decoder the life, OSError when it
    cannot be read, DecoderLost.
    """

    def __init__(
        self, path: Path, max_samples: int, track: int | None = None, channel_mode: ChannelMode = ChannelMode.MIX
    ) -> None:
        self._path = path
        self._max_samples = max_samples
        self._track = track
        self._channel_mode = channel_mode
        self.channels: tuple[int, ...] = ()
        """The file's channels that ``read`` returns, as in ``FileDecoder``; known after ``open``."""
        self.total_samples = 0
        """Length according to the file itself, known after ``open``; 0 when it does not say."""
        self.found = DecodedFile()
        """What was found in the file; complete when ``read`` has returned b''."""
        self._process = IsolatedProcess("file")
        self._messages: connection.Connection | None = None

    def open(self) -> None:
        """Start the process and open the file."""
        reader, writer = CONTEXT.Pipe(duplex=False)
        self._messages = reader
        arguments = (writer, self._path, self._max_samples, self._track, self._channel_mode)
        with writer:
            self._process.start(decoder_child.serve, arguments)
        opened = self._next()
        if not isinstance(opened, Opened):
            raise DecoderLost("no valid message")
        self.total_samples, self.channels = opened.total_samples, opened.channels

    def read(self) -> bytes:
        """Return the next second of 16 kHz s16le, all ``channels`` interleaved; less at the end, b'' after it."""
        message = self._next()
        if isinstance(message, Ended):
            self.found = message.found
            return b""
        if not isinstance(message, decoder_child.Decoded):
            raise DecoderLost("no valid message")
        return message.pcm

    def kill(self) -> None:
        """End the process at once, whatever it is doing, also one that is just being started."""
        self._process.kill()

    def close(self) -> None:
        """End the process and free what belongs to it. Call it in the thread that uses it."""
        self.kill()
        if self._messages is not None:
            self._messages.close()
        self._process.close()

    def _next(self) -> Message:
        assert self._messages is not None
        try:
            message = MESSAGES.decode(self._messages.recv_bytes(_MAX_MESSAGE_BYTES))
        except (EOFError, OSError):
            raise self._process.death() from None
        except msgspec.MsgspecError as error:
            raise DecoderLost("no valid message") from error
        match message:
            case Refused(code, text):
                raise SttError(code, text)
            case Unreadable(cause):
                raise OSError(cause)
            case Failed(cause):
                # PyAV also raises ValueError, KeyError and the like on malformed input.
                _log.warning("decoder failed", cause=cause)
                raise SttError("bad_audio", UNEXPECTED)
        return message
