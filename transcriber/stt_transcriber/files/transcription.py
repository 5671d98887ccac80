"""Transcription of one chunk: decodes until all of its speech has a text or is reported as unrecognized."""

from collections.abc import Awaitable, Callable

import numpy as np

from stt_shared.contracts.jobs import Chunk, ChunkResult, JobConfig, JobSegment, JobWarning, TimeSpan
from stt_shared.contracts.session import AUDIO_RATE_HZ, Fillers
from stt_shared.contracts.text import join_texts
from stt_transcriber.core.audio.vad_track import Span
from stt_transcriber.core.decoding import KEYTERMS_IGNORED, DecodeRequest, Hypothesis, Quality, Weights
from stt_transcriber.core.files.chunk_text import ChunkText
from stt_transcriber.core.text import guards
from stt_transcriber.core.text.join import join_words
from stt_transcriber.core.text.redaction import redactor_of
from stt_transcriber.core.text.rewriting import rewriter_of
from stt_transcriber.core.text.segments import segments_of
from stt_transcriber.metrics import REJECTED, count_unrecognized

Decode = Callable[[DecodeRequest], Awaitable[Hypothesis]]


async def transcribe(
    chunk: Chunk,
    pcm: bytes,
    config: JobConfig,
    decode: Decode,
    *,
    biased_by_keyterms: bool = True,
) -> ChunkResult:
    """Transcribe a chunk with the audio ``pcm`` (s16le). Raises what ``decode`` raises.

    ``biased_by_keyterms``: as in ``Engine``.
    """
    text = ChunkText(chunk, np.frombuffer(pcm, np.int16), config.task, config.prompt)
    evidence = np.frombuffer(chunk.evidence, np.int16).astype(np.float32) / 32768.0 if chunk.evidence else None
    segments: list[JobSegment] = []
    texts: list[str] = []
    language = config.language
    spoken: Weights = {}
    while not text.is_over:
        samples = text.samples()
        request = DecodeRequest(
            samples,
            config.language,
            config.task,
            text.prompt,
            Quality.FILE,
            # What was recognised in the chunk itself is better evidence.
            language_samples=None if spoken else evidence,
            languages=config.languages,
            spoken_before=spoken,
            voiced_s=text.voice_share * len(samples) / AUDIO_RATE_HZ,
            stretches=text.stretches(),
            keyterms=config.keyterms,
        )
        hypothesis = await decode(request)
        if hypothesis.changes_at is not None:
            text.shorten(hypothesis.changes_at)
            continue
        audio_s = len(request.samples) / AUDIO_RATE_HZ
        reason = guards.reason_to_reject(
            hypothesis, text.voice_share, request.quality, audio_s=audio_s, prompt=request.prompt
        )
        if reason:
            REJECTED.labels(reason).inc()
        offset_s = text.begin / AUDIO_RATE_HZ
        words = text.take(None if reason else hypothesis)
        if words:
            language, spoken = language or hypothesis.language, hypothesis.spoken
        removes = config.fillers is Fillers.REMOVE
        if rewriter := rewriter_of(config.replacements, removes_fillers=removes, language=hypothesis.language):
            words = rewriter.rewrite_timed(words)
        if redactor := redactor_of(config.redact, config.redact_patterns):
            words = redactor.redact_timed(words)
        segments += segments_of(words, offset_s, hypothesis.language, chunk.channel)
        texts.append(join_words(words))
    for begin, end in text.unrecognized:
        count_unrecognized((end - begin) / AUDIO_RATE_HZ)
    return ChunkResult(
        language or "",
        segments,
        join_texts(texts),
        [_time_span(span, chunk.channel) for span in text.unrecognized],
        [] if biased_by_keyterms or not config.keyterms else [JobWarning(*KEYTERMS_IGNORED)],
    )


def _time_span(span: Span, channel: int | None) -> TimeSpan:
    begin, end = span
    return TimeSpan(round(begin / AUDIO_RATE_HZ, 3), round(end / AUDIO_RATE_HZ, 3), channel)
