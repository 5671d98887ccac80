"""The atomic functions, typed. Each .lua file names its keys, arguments and answers in its head.

Every write names the epoch it believes in and, from an owner of a stage, the fence it was given; Redis refuses what
is outdated in the same step, so a replica that was frozen and wakes up can change nothing.
"""

import enum
from dataclasses import dataclass
from importlib import resources
from typing import Any

from redis.asyncio import Redis

from stt_shared.bus import keys
from stt_shared.bus.keys import StreamKeys
from stt_shared.bus.lane import Argument, Lane, LuaFunction
from stt_shared.contracts.events import Event, Final, encode_event
from stt_shared.contracts.frames import Frame
from stt_shared.contracts.session import CarriedContext, encode_json

MAX_LOG_FRAMES = 600
"""Entries in an audio log before its writer has to wait: about 60 s in frames of 100 ms."""
MAX_EVENTS_KEPT = 512
"""Events a client can catch up on."""


class Written(enum.StrEnum):
    """How a write ended."""

    OK = "ok"
    DUPLICATE = "duplicate"  # had been written before: as good as OK
    HOLE = "hole"  # an earlier one is missing
    FULL = "full"  # wait and try again
    FENCED = "fenced"  # somebody else owns this stage now
    GONE = "gone"  # the session has ended, or begun anew under another epoch


@dataclass(frozen=True)
class Ownership:
    """The right to write for one stage of one session or job. ``stage`` '' is the gateway's, which needs no fence."""

    keys: StreamKeys
    epoch: str
    stage: str = ""
    fence: int = 0


@dataclass(frozen=True)
class Commit:
    """Audio before ``samples`` is settled and may be forgotten, frames up to ``seq`` with it."""

    samples: int
    seq: int
    context: CarriedContext


class Functions:
    """Atomic writes to the keys of sessions and jobs."""

    def __init__(self, client: Redis, *, sharded: bool = False) -> None:
        self._lane = Lane(client)
        self._publish = "SPUBLISH" if sharded else "PUBLISH"
        self._open = _function("open")
        self._append = _function("append_frame")
        self._emit = _function("emit_event")
        self._claim = _function("claim")
        self._finish_job = _function("finish_job")
        self._store_part = _function("store_part")

    async def open(self, at: StreamKeys, epoch: str, config: bytes, now_ms: float, ttl_s: int) -> str | None:
        """Starts a session or job afresh; answers the epoch that it replaces, if any."""
        earlier: bytes = await self._lane.call(
            self._open, [at.state, at.audio_log, at.pcm_log, at.results_log], [epoch, config, int(now_ms), ttl_s]
        )
        return earlier.decode() or None

    async def append_audio(self, owner: Ownership, frame: Frame) -> Written:
        """Gateway: appends what the client sent. ``frame.seq`` counts from 1 without holes."""
        at = owner.keys
        return await self._append_frame(owner, "audio_seq", at.audio_log, at.audio, at.audio_log, frame, consumed=0)

    async def append_pcm(
        self, owner: Ownership, frame: Frame, *, consumed: int, max_frames: int = MAX_LOG_FRAMES
    ) -> Written:
        """Audio-processor: appends 16 kHz frames; ingest frames up to ``consumed`` are then no longer needed."""
        at = owner.keys
        return await self._append_frame(
            owner, "pcm_seq", at.pcm_log, at.pcm, at.audio_log, frame, consumed=consumed, max_frames=max_frames
        )

    async def _append_frame(
        self,
        owner: Ownership,
        position: str,
        log: str,
        channel: str,
        source_log: str,
        frame: Frame,
        *,
        consumed: int,
        max_frames: int = MAX_LOG_FRAMES,
    ) -> Written:
        answer: list[Any] = await self._lane.call(
            self._append,
            [owner.keys.state, log, channel, source_log],
            [
                owner.epoch,
                owner.stage,
                owner.fence,
                position,
                frame.seq,
                frame.kind.value,
                frame.data,
                frame.packed_meta(),
                frame.published(owner.keys.id),
                max_frames,
                keys.SESSION_TTL_S,
                consumed,
                self._publish,
            ],
        )
        return Written(answer[0].decode())

    async def emit(self, owner: Ownership, event: Event, commit: Commit | None = None) -> tuple[Written, int]:
        """Gives ``event`` its number, keeps and publishes it; with ``commit`` moves the committed position too."""
        utterance = event.utterance if isinstance(event, Final) else 0
        kind = str(type(event).__struct_config__.tag)
        return await self._emit_event(owner, encode_event(event), kind, utterance, commit)

    async def commit(self, owner: Ownership, commit: Commit) -> Written:
        """Moves the committed position through audio that needs no event: silence."""
        written, _ = await self._emit_event(owner, b"", "", 0, commit)
        return written

    async def _emit_event(
        self, owner: Ownership, body: bytes, kind: str, utterance: int, commit: Commit | None
    ) -> tuple[Written, int]:
        at = owner.keys
        answer: list[Any] = await self._lane.call(
            self._emit,
            [at.state, at.results_log, at.results, at.pcm_log, at.audio_log],
            [
                owner.epoch,
                owner.stage,
                owner.fence,
                body,
                kind,
                utterance,
                commit.samples if commit else -1,
                commit.seq if commit else 0,
                encode_json(commit.context) if commit else b"{}",
                keys.SESSION_TTL_S,
                MAX_EVENTS_KEPT,
                self._publish,
            ],
        )
        return Written(answer[0].decode()), int(answer[1])

    async def claim(self, at: StreamKeys, epoch: str, stage: str, replica: str, follows: str = "") -> Ownership | None:
        """Makes ``replica`` the owner after ``follows`` ('' = nobody). None: ended, or somebody else's."""
        answer: list[Any] = await self._lane.call(self._claim, [at.state], [epoch, stage, replica, follows])
        return Ownership(at, epoch, stage, int(answer[1])) if answer[0] == b"ok" else None

    async def finish_job(
        self, at: StreamKeys, epoch: str, status: str, *, result: bytes = b"", error: bytes = b"", now_ms: float
    ) -> bool:
        """Ends a job; False when it had ended before."""
        arguments: list[Argument] = [epoch, status, result, error, int(now_ms), keys.JOB_TTL_S]
        return bool(await self._lane.call(self._finish_job, [at.state, keys.job_parts(at.id), at.pcm_log], arguments))

    async def store_part(
        self, at: StreamKeys, epoch: str, index: int, result: bytes, *, language: str, n_samples: int
    ) -> tuple[int, int] | None:
        """Keeps a chunk's result; answers (stored, in all or -1), None when the job has ended."""
        arguments: list[Argument] = [epoch, index, result, language, n_samples, keys.JOB_TTL_S]
        answer: list[Any] = await self._lane.call(self._store_part, [at.state, keys.job_parts(at.id)], arguments)
        return (int(answer[1]), int(answer[2])) if answer[0] == b"ok" else None


def _function(name: str) -> LuaFunction:
    return LuaFunction.of(resources.files("stt_shared.bus").joinpath(f"lua/{name}.lua").read_text())
