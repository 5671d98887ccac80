"""Completion of a file job from the results of its chunks, and work that stops when its job ends."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import msgspec

from stt_shared.contracts.jobs import ChunkResult, JobResult, JobSegment, JobWarning
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.contracts.speakers import NO_SPEAKERS, KnownVoice
from stt_shared.contracts.text import join_texts
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.process.tracing import tracer
from stt_shared.redis.outage import until_answered
from stt_shared.streams.bus import Bus
from stt_shared.streams.job_state import JobState
from stt_shared.streams.ownership import Ownership
from stt_transcriber.core.speakers.turns import enrolled, with_speakers

ACTIVE_CHECK_S = 0.25
"""Interval between checks whether a worker's job is still active."""
LEAST_ENROLLED_S = 5.0
"""Least speech from which a voice is enrolled, in seconds."""
_SPEAKERS_MISSING = JobWarning(
    NO_SPEAKERS,
    "the speakers could not be told apart: a transcriber lacks the model (stt models pull diarization)",
)


async def complete_job(bus: Bus, owner: Ownership) -> None:
    """Assemble the result from all parts and end the job. Does nothing if the job has ended or was deleted."""
    state = await bus.jobs.state(owner.keys.id)
    if state is None or not state.is_active or state.epoch != owner.epoch:
        return
    with tracer().span("assemble", state.config.traceparent, job_id=owner.keys.id):
        parts = await bus.jobs.parts(owner.keys.id)
        if state.config.enrolls:
            return await _enroll(bus, owner, state, parts)
        known = await bus.jobs.known_voices(state.config.known_to) if state.config.known_to else []
        # In a thread if there are speakers: telling them apart takes a second for some hours of audio.
        in_thread = state.config.speakers is not None
        result = await asyncio.to_thread(assembled, state, parts, known) if in_thread else assembled(state, parts)
        await bus.jobs.complete(owner.keys, owner.epoch, result)


async def _enroll(bus: Bus, owner: Ownership, state: JobState, parts: Sequence[ChunkResult]) -> None:
    """Hand over the voice in a file instead of its transcript."""
    found = [part.voices for part in parts if part.voices is not None]
    if len(found) < len(parts):
        await bus.jobs.fail(owner.keys, owner.epoch, "no_worker", _SPEAKERS_MISSING.message)
        return
    voice, speech_s = enrolled(found)
    if speech_s < LEAST_ENROLLED_S:
        message = f"only {speech_s:.1f} s of speech were heard; at least {LEAST_ENROLLED_S:g} s are needed"
        await bus.jobs.fail(owner.keys, owner.epoch, "bad_audio", message)
        return
    await bus.jobs.put_enrolled_voice(owner.keys.id, voice)
    duration_s = round(state.total_samples / AUDIO_RATE_HZ, 3)
    await bus.jobs.complete(owner.keys, owner.epoch, JobResult("", "", duration_s, []))


async def complete_if_done(bus: Bus, owner: Ownership, state: JobState) -> None:
    """Complete a job whose last worker may have died before it did so."""
    if state.chunks is not None and await bus.jobs.parts_done(owner.keys.id) == state.chunks:
        await complete_job(bus, owner)


def assembled(state: JobState, parts: Sequence[ChunkResult], known: Sequence[KnownVoice] = ()) -> JobResult:
    """Return the result of a job whose chunks have the results ``parts``, in order. ``known``: voices with names.

    Of channels that were kept apart, the segments are merged in the order of their starts.
    """
    segments = [segment for part in parts for segment in part.segments]
    text = join_texts(_text(part) for part in parts)
    unrecognized = [span for part in parts for span in part.unrecognized]
    warnings = [*state.decoded.warnings, *_once(warning for part in parts for warning in part.warnings)]
    if any(segment.channel is not None for segment in segments):
        segments.sort(key=lambda segment: (segment.start, segment.channel or 0))
        text = join_texts(segment.text for segment in segments)
    if state.config.speakers is not None:
        voices = [part.voices for part in parts if part.voices is not None]
        if len(voices) == len(parts):
            segments = with_speakers(segments, voices, state.config.speakers, known)
        else:
            warnings.append(_SPEAKERS_MISSING)
    return JobResult(
        text=text,
        language=state.config.language or _most_spoken(segments) or next((part.language for part in parts), ""),
        duration=round(max(state.total_samples / AUDIO_RATE_HZ, state.decoded.duration), 3),
        segments=[msgspec.structs.replace(segment, id=at) for at, segment in enumerate(segments)],
        unrecognized=sorted(unrecognized, key=lambda span: span.start),
        track=state.decoded.track,
        warnings=warnings,
    )


def _once(warnings: Iterable[JobWarning]) -> list[JobWarning]:
    kept: list[JobWarning] = []
    for warning in warnings:
        if warning not in kept:
            kept.append(warning)
    return kept


def _most_spoken(segments: Sequence[JobSegment]) -> str:
    """Return the language of most of the speech, '' if none is known."""
    lengths: dict[str, float] = {}
    for segment in segments:
        lengths[segment.language] = lengths.get(segment.language, 0.0) + segment.end - segment.start
    return max(lengths, key=lengths.__getitem__, default="")


def _text(part: ChunkResult) -> str:
    # A part stored by an older version has segments only.
    return part.text or join_texts(segment.text for segment in part.segments)


async def run_while_active(work: Coroutine[Any, Any, None], bus: Bus, owner: Ownership) -> None:
    """Run ``work``, but cancel it as soon as the job has ended for another reason or ``owner`` has lost its stage."""
    task = asyncio.create_task(work, name=f"work on {owner.keys.id}")
    try:
        while not (await asyncio.wait({task}, timeout=ACTIVE_CHECK_S))[0]:
            if not await until_answered(lambda: bus.jobs.owns(owner)):
                return
        await task
    finally:
        if not task.done():
            await cancel_and_wait(task)
