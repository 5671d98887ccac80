"""Voices in the chunks of files, computed beside their decodes when speakers are wanted."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import structlog

from stt_shared.contracts.jobs import Chunk, ChunkVoices
from stt_shared.process.priority import lower_thread_priority
from stt_transcriber.core.audio.vad_track import VadTrack
from stt_transcriber.core.speakers.turns import packed_voices
from stt_transcriber.core.speakers.windows import sparse_windows_in
from stt_transcriber.models.store import ModelError
from stt_transcriber.speakers.base import SpeakerModel

_log = structlog.get_logger()

_MARGIN_WINDOWS = 2
"""Windows of the VAD by which speech is widened at both ends; a shorter pause does not divide it."""


class ChunkVoiceReader:
    """Reader of the voices in chunks. ``model`` returns the model, or raises ModelError; it is called in a thread."""

    def __init__(self, model: Callable[[], SpeakerModel], workers: int) -> None:
        self._model = model
        self._threads = ThreadPoolExecutor(workers, "voices", initializer=lower_thread_priority)

    async def read(self, chunk: Chunk, pcm: bytes) -> ChunkVoices | None:
        """Return the voices in the chunk with the audio ``pcm`` (s16le); None if no model can be loaded here."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, chunk, pcm)
        except ModelError as error:
            _log.warning("no voices", job_id=chunk.job_id, chunk=chunk.index, cause=str(error))
            return None

    def _read(self, chunk: Chunk, pcm: bytes) -> ChunkVoices:
        model = self._model()
        begin, end = chunk.start_sample, chunk.start_sample + len(pcm) // 2
        speech = VadTrack.unpacked(begin, chunk.voiced).stretches(begin, end, _MARGIN_WINDOWS)
        parts = sparse_windows_in([(max(start, begin), min(stop, end)) for start, stop in speech])
        windows = [window for _, window in parts]
        samples = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768.0
        voices = model.voices(samples, [(start - begin, stop - begin) for start, stop in windows])
        return packed_voices(windows, voices, chunk.channel)
