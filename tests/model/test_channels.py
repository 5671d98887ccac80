"""Two people who speak at once, each on a channel: kept apart, both are heard; mixed, words are lost."""

import asyncio
import re
from pathlib import Path

import numpy as np
import pytest
from support import recordings
from support.encoders import encoded_channels

from stt_audio.files.decoder import FileDecoder
from stt_shared.contracts.jobs import Chunk, JobConfig, JobSegment
from stt_shared.contracts.session import ChannelMode
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.core.files.channel_cutters import ChannelCutters
from stt_transcriber.core.files.cutter import ChunkCutter, CutterPolicy
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.engines.onnx.engine import OnnxWhisperEngine
from stt_transcriber.files.transcription import transcribe
from stt_transcriber.vad.models import load_vad

pytestmark = pytest.mark.model


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def transcribed(engine: OnnxWhisperEngine, path: Path, mode: ChannelMode) -> list[JobSegment]:
    """The segments of a file, as a job has them."""
    with FileDecoder(path, 10**9, channel_mode=mode) as decoder:
        channels = decoder.channels
        samples = np.frombuffer(b"".join(iter(decoder.read, b"")), np.int16).reshape(-1, len(channels) or 1)
    voices = [load_vad("silero")() for _ in channels or (None,)]
    cutters = [ChunkCutter(voice.probabilities, LivePolicy().gate, CutterPolicy(), detects=False) for voice in voices]
    cutter = ChannelCutters(channels, cutters)

    async def decode(request: DecodeRequest) -> Hypothesis:
        return engine.decode([request])[0]

    async def segments() -> list[JobSegment]:
        found: list[JobSegment] = []
        for cut in cutter.feed(0, samples) + cutter.finish():
            chunk = Chunk("j", "e", 0, cut.start, len(cut.samples), cut.voice_share, cut.voiced, channel=cut.channel)
            found += (await transcribe(chunk, cut.samples.tobytes(), JobConfig("j", language="en"), decode)).segments
        return sorted(found, key=lambda segment: segment.start)

    return asyncio.run(segments())


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """The same speech on both channels, two seconds later on the right, so that they interrupt each other."""
    try:
        speech = recordings.beckett()
    except recordings.SpeechMissing as missing:
        pytest.skip(str(missing))
    later = np.zeros(2 * 16000, np.float32)
    left, right = np.concatenate([speech, later]), np.concatenate([later, speech])
    path = tmp_path / "call.wav"
    path.write_bytes(encoded_channels(np.stack([left, right], 1), "wav", "pcm_s16le", "stereo"))
    return path


@pytest.mark.parametrize("mode", [ChannelMode.SEPARATE, ChannelMode.AUTO])
def test_both_are_heard_word_for_word(onnx_tiny: OnnxWhisperEngine, call: Path, mode: ChannelMode) -> None:
    segments = transcribed(onnx_tiny, call, mode)
    for channel in (0, 1):
        text = " ".join(segment.text for segment in segments if segment.channel == channel)
        assert words_of(text) == words_of(recordings.BECKETT_TEXT)


def test_mixed_words_are_lost(onnx_tiny: OnnxWhisperEngine, call: Path) -> None:
    text = " ".join(segment.text for segment in transcribed(onnx_tiny, call, ChannelMode.MIX))
    assert len(words_of(text)) < 2 * len(words_of(recordings.BECKETT_TEXT))
