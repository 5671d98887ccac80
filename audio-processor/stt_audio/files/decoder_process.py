"""A file's decoder in a process of its own: whatever a file does to its decoder costs that file alone.

The processes are forked from a server that has imported the decoder and has no threads of its own, so that one costs
milliseconds; where the system cannot fork, each is started from nothing.
"""

import multiprocessing
import signal
import threading
from multiprocessing import connection, forkserver
from pathlib import Path

import msgspec
import structlog

from stt_audio.files import decoder_child
from stt_audio.files.decoder_child import Ended, Failed, Message, Opened, Refused, Unreadable
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import DecodedFile
from stt_shared.contracts.session import ChannelMode

_log = structlog.get_logger()

_FORKS = "forkserver" in multiprocessing.get_all_start_methods()
_CONTEXT = multiprocessing.get_context("forkserver") if _FORKS else multiprocessing.get_context("spawn")
if _FORKS:
    _CONTEXT.set_forkserver_preload([decoder_child.__name__])
UNEXPECTED = "the file cannot be decoded"
"""Message for a file whose decoding ended with an error that nobody expected."""
_MAX_MESSAGE_BYTES = 1 << 20
_EXIT_WITHIN_S = 5.0
MESSAGES = msgspec.msgpack.Decoder(Message)
# Which processes exist is recorded in one list, and whoever looks at it first gets an exit code.
_registry = threading.Lock()

_FAULTS = frozenset(
    getattr(signal, name, None) for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGSYS", "SIGTRAP")
)


class DecoderLost(Exception):
    """The process ended for a reason outside the file: it was killed, or could not be started."""


def prepare() -> None:
    """Start the server from which decoders are forked, so that the first file need not wait for it."""
    if _FORKS:
        forkserver.ensure_running()


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
        self._killed = False
        self._process: multiprocessing.process.BaseProcess | None = None
        self._messages: connection.Connection | None = None

    def open(self) -> None:
        """Start the process and open the file."""
        reader, writer = _CONTEXT.Pipe(duplex=False)
        self._messages = reader
        arguments = (writer, self._path, self._max_samples, self._track, self._channel_mode)
        process = _CONTEXT.Process(target=decoder_child.serve, args=arguments, daemon=True)
        try:
            with writer, _registry:
                process.start()
        except (OSError, EOFError) as error:
            raise DecoderLost(f"not started: {error}") from error
        self._process = process
        if self._killed:
            process.kill()
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
        self._killed = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process and free what belongs to it. Call it in the thread that uses it."""
        self.kill()
        if self._messages is not None:
            self._messages.close()
        if self._process is not None:
            if self._exit_code() is not None:
                self._process.close()
            self._process = None

    def _next(self) -> Message:
        assert self._messages is not None
        try:
            message = MESSAGES.decode(self._messages.recv_bytes(_MAX_MESSAGE_BYTES))
        except (EOFError, OSError):
            raise self._death() from None
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

    def _death(self) -> SttError | DecoderLost:
        """Return the error that explains why the process ended without a last message."""
        code = self._exit_code()
        died_of = -code if code is not None else 0
        if not self._killed:
            _log.warning("decoder died", exit_code=code)
        if died_of == getattr(signal, "SIGXCPU", None):
            return SttError("too_large", "decoding the file takes far more time than a file of its length may take")
        if died_of in _FAULTS:
            return SttError("bad_audio", f"the file crashes its decoder ({signal.Signals(died_of).name})")
        return DecoderLost(f"exit code {code}")

    def _exit_code(self) -> int | None:
        """Wait for the end of the process and return its exit code, negative for a signal."""
        assert self._process is not None
        connection.wait([self._process.sentinel], _EXIT_WITHIN_S)
        with _registry:
            return self._process.exitcode
