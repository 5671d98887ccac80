"""What runs in the process of one live recording's decoder: it answers each command of the replica, and ends."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

from stt_audio.codecs.channels import Output
from stt_audio.codecs.container import ContainerDecoder, WholeDecoder
from stt_audio.codecs.formats import Media
from stt_audio.codecs.length_limit import LengthLimit
from stt_audio.isolation import child
from stt_audio.isolation.limits import allow_cpu_for, limit_this_process
from stt_audio.live.decoder_messages import (
    PIECE_BYTES,
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

_MAX_COMMAND_BYTES = 1 << 30
"""The replica is trusted, and has limited the messages of its clients."""


@dataclass(frozen=True)
class Task:
    """Arguments of ``ContainerDecoder``; those of ``WholeDecoder``, which needs all data at once, if ``is_whole``."""

    media: Media
    limit: LengthLimit
    output: Output | None
    held: bool
    is_whole: bool


def serve(end: socket.socket, task: Task) -> None:
    """Answer the commands that come by ``end`` until it is closed. Call it in a process of its own."""
    child.begin()
    limit_this_process()
    allow_cpu_for(task.limit.left_samples)
    with contextlib.suppress(EOFError, ConnectionError):  # the replica does not need the rest
        asyncio.run(_serve(end, task))


async def _serve(end: socket.socket, task: Task) -> None:
    pipe = MessagePipe[Command](Command, _MAX_COMMAND_BYTES)  # type: ignore[arg-type]
    await pipe.open(end)
    try:
        if task.is_whole:
            await _answer_whole(pipe, task)
        else:
            await _answer(pipe, task)
    except SttError as error:
        await pipe.send(Refused(error.code, error.message))
    # The replica reads what was sent, and closes.
    await pipe.receive()


async def _answer(pipe: MessagePipe[Command], task: Task) -> None:
    decoder = ContainerDecoder(task.media, task.limit, task.output, held=task.held)
    try:
        while True:
            match await pipe.receive():
                case Feed(data):
                    await _send(pipe, decoder, decoder.feed(data))
                case Resume(source_samples, samples, state):
                    decoder.resampler.resume(source_samples, samples, state)
                case End():
                    await _send(pipe, decoder, decoder.finish())
                    return
    finally:
        await decoder.close()


async def _answer_whole(pipe: MessagePipe[Command], task: Task) -> None:
    match await pipe.receive():
        case Feed(data):
            decoder = WholeDecoder(task.media, data, task.limit, task.output)
    try:
        await _send(pipe, decoder, decoder.finish())
    finally:
        await decoder.close()


async def _send(pipe: MessagePipe[Command], decoder: ContainerDecoder, pieces: AsyncIterator[bytes]) -> None:
    async for pcm in pieces:
        for start in range(0, len(pcm), PIECE_BYTES):
            await pipe.send(Decoded(pcm[start : start + PIECE_BYTES]))
    await pipe.send(_drained(decoder))


def _drained(decoder: ContainerDecoder) -> Answer:
    resampler = decoder.resampler
    position = Position(resampler.fed_s, resampler.source_samples, resampler.samples, resampler.state)
    return Drained(position, decoder.limit.left_samples)
