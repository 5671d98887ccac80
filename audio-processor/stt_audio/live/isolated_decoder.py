"""Decoder of one live recording in a container, in a process of its own: what crashes it ends one session."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import msgspec

from stt_audio.codecs.channels import Output
from stt_audio.codecs.formats import Media
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.isolation.process import DecoderLost, IsolatedProcess
from stt_audio.live import decoder_child
from stt_audio.live.decoder_messages import (
    MAX_MESSAGE_BYTES,
    Answer,
    Command,
    Decoded,
    Drained,
    End,
    Feed,
    MessagePipe,
    Position,
    Refused,
    Resume,
)
from stt_shared.contracts.errors import SttError


class IsolatedDecoder:
    """What ``ContainerDecoder`` is, elsewhere. Create it in the event loop that uses it; ``close`` it.

    Read ``feed`` and ``finish`` to their end, one after the other. Both raise SttError when the stream cannot be
    decoded, after yielding everything that could be, or when the decoder is lost. ``is_whole``: it is fed once, with
    all there is, and not finished.
    """

    def __init__(
        self,
        media: Media,
        limit: LengthLimit,
        output: Output | None = None,
        *,
        held: bool = False,
        is_whole: bool = False,
    ) -> None:
        self.position = Position()
        """Position of the resampler after all that was fed."""
        self._limit = limit
        self._resume: Resume | None = None
        self._error: SttError | None = None
        self._process = IsolatedProcess("stream")
        self._pipe = MessagePipe[Answer](Answer, MAX_MESSAGE_BYTES)  # type: ignore[arg-type]
        self._starting = asyncio.create_task(self._start(decoder_child.Task(media, limit, output, held, is_whole)))

    async def feed(self, data: bytes) -> AsyncIterator[bytes]:
        """Add ``data`` and yield all audio that can be decoded with it, in pieces of about a second at most."""
        async for pcm in self._answers(Feed(data)):
            yield pcm

    async def finish(self) -> AsyncIterator[bytes]:
        """End the input and yield the remaining audio."""
        async for pcm in self._answers(End()):
            yield pcm

    def resume(self, source_samples: int, samples: int, state: tuple[float, ...]) -> None:
        """Continue another decoder's run, as of ``Resampler.resume``, with what is fed next."""
        self._resume = Resume(source_samples, samples, state)

    async def close(self) -> None:
        """End the process, whatever it is doing. May be called again, also when it was cancelled."""
        self._process.kill()
        with contextlib.suppress(DecoderLost):
            await self._starting
        self._pipe.close()
        await asyncio.to_thread(self._process.close)

    async def _start(self, task: decoder_child.Task) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                await asyncio.to_thread(self._process.start, decoder_child.serve, (theirs, task))
            await self._pipe.open(ours)
        except BaseException:
            ours.close()
            raise

    async def _answers(self, command: Command) -> AsyncIterator[bytes]:
        if self._error is not None:
            raise self._error
        try:
            await asyncio.shield(self._starting)
            resume, self._resume = self._resume, None
            if resume is not None:
                await self._pipe.send(resume)
            await self._pipe.send(command)
            while True:
                match await self._pipe.receive():
                    case Decoded(pcm):
                        yield pcm
                    case Drained(position, left_samples):
                        self.position, self._limit.left_samples = position, left_samples
                        return
                    case Refused(code, message):
                        raise SttError(code, message)
        except SttError as error:
            self._error = error
            raise
        except (EOFError, ConnectionError, ValueError, msgspec.MsgspecError, DecoderLost) as error:
            self._error = await self._explained(error)
            raise self._error from error

    async def _explained(self, error: Exception) -> SttError:
        """Return what to tell the client of an end without a last message."""
        cause: Exception = error
        if isinstance(error, EOFError | ConnectionError):
            cause = await asyncio.to_thread(self._process.death)
        return cause if isinstance(cause, SttError) else SttError("internal", "the decoder was lost; connect again")
