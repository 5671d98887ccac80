#!/usr/bin/env python3
"""Calls with a party on each channel who interrupt each other: word errors and cost with the channels mixed, kept
apart, and of each channel as a file of its own.

The calls are made from the corpus: the utterances of two speakers follow each other, on two channels; some begin before
the other party has ended. They are cut and decoded as a job is or, with ``--live``, heard as a live session is, but as
fast as the model allows; without a suite around it.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jiwer
import numpy as np
from common import AUDIO_RATE_HZ, Clip, corpus_folder, utterances, write_result
from numpy.typing import NDArray

from stt_audio.codecs.mixing import ChannelMixer
from stt_cli.bench.packages import normaliser
from stt_shared.contracts.events import Final
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.jobs import Chunk, JobConfig, JobSegment
from stt_shared.contracts.session import ChannelMode, Endpointing, SessionConfig, TakeoverState
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.core.files.channel_cutters import ChannelCutters
from stt_transcriber.core.files.cutter import ChunkCutter, CutterPolicy
from stt_transcriber.core.live.outcome import Advance
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.start import live_session
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.files.transcription import transcribe
from stt_transcriber.models.store import default_models_dir
from stt_transcriber.vad.models import load_vad

Audio = NDArray[np.int16]


@dataclass(frozen=True)
class Call:
    """``samples``: int16 [n, 2]. ``said``: of each party, in order; ``in_turn``: of both, by their starts."""

    samples: Audio
    said: tuple[str, str]
    in_turn: str
    overlap_s: float


@dataclass
class Cost:
    """Of one way to transcribe calls. ``decoded_s``: audio in the chunks."""

    errors: int = 0
    words: int = 0
    decoded_s: float = 0.0
    cpu_s: float = 0.0
    vad_s: float = 0.0
    texts: list[str] = field(default_factory=list)

    def view(self, audio_s: float) -> dict[str, float]:
        return {
            "wer_percent": round(100 * self.errors / max(1, self.words), 2),
            "decoded_s": round(self.decoded_s, 1),
            "decode_cpu_ms_per_audio_s": round(1000 * self.cpu_s / audio_s, 1),
            "vad_cpu_ms_per_audio_s": round(1000 * self.vad_s / audio_s, 1),
        }


def calls(clips: Sequence[Clip], turns: int, overlap_s: float, pause_s: float) -> list[Call]:
    """Two parties take turns; one begins up to ``overlap_s`` before the end of the other, or ``pause_s`` after it."""
    draw = random.Random(1)
    made = []
    for first in range(0, len(clips) - turns + 1, turns):
        placed: list[tuple[int, int, Clip]] = []
        free = [AUDIO_RATE_HZ // 2] * 2
        for number, clip in enumerate(clips[first : first + turns]):
            party = number % 2
            gap_s = draw.uniform(-overlap_s, pause_s)
            start = max(free[party], round(max(free) + gap_s * AUDIO_RATE_HZ))
            placed.append((start, party, clip))
            free[party] = start + len(clip.samples)
        samples = np.zeros((max(free) + AUDIO_RATE_HZ // 2, 2), np.int16)
        for start, party, clip in placed:
            samples[start : start + len(clip.samples), party] += clip.samples
        placed.sort(key=lambda each: each[0])
        said = tuple(" ".join(clip.text for _, party, clip in placed if party == each) for each in (0, 1))
        both = np.abs(samples[: len(samples) // 1600 * 1600]).reshape(-1, 1600, 2).max(axis=1) > 500
        made.append(
            Call(samples, (said[0], said[1]), " ".join(clip.text for *_, clip in placed), both.all(1).sum() / 10)
        )
    return made


def mixed(samples: Audio) -> Audio:
    """int16 [n, 2] -> [n, 1], as the audio-processor mixes."""
    mixer = ChannelMixer([0.5, 0.5])
    floats = samples.astype(np.float32) / 32768.0
    mono = np.concatenate([mixer.feed(floats), mixer.flush()])
    return np.round(mono * 32768.0).clip(-32768, 32767).astype(np.int16)[:, None]


def transcribed(engine: Any, samples: Audio, numbers: Sequence[int], config: JobConfig, cost: Cost) -> list[JobSegment]:
    """Cut and decode a call; int16 [n, channels]."""
    voices = [load_vad("silero")() for _ in range(samples.shape[1])]
    cutters = ChannelCutters(
        numbers,
        [ChunkCutter(voice.probabilities, LivePolicy().gate, CutterPolicy(), detects=False) for voice in voices],
    )
    began = time.process_time()
    chunks = [
        chunk
        for at in range(0, len(samples), AUDIO_RATE_HZ)
        for chunk in cutters.feed(at, samples[at : at + AUDIO_RATE_HZ])
    ]
    chunks += cutters.finish()
    cost.vad_s += time.process_time() - began

    async def decode(request: DecodeRequest) -> Hypothesis:
        hypothesis: Hypothesis
        (hypothesis,) = engine.decode([request])
        return hypothesis

    segments: list[JobSegment] = []
    began = time.process_time()
    for index, cut in enumerate(chunks):
        chunk = Chunk("j", "e", index, cut.start, len(cut.samples), cut.voice_share, cut.voiced, channel=cut.channel)
        cost.decoded_s += len(cut.samples) / AUDIO_RATE_HZ
        segments += asyncio.run(transcribe(chunk, cut.samples.tobytes(), config, decode)).segments
    cost.cpu_s += time.process_time() - began
    return sorted(segments, key=lambda segment: segment.start)


def heard(engine: Any, samples: Audio, mode: ChannelMode, options: argparse.Namespace, cost: Cost) -> list[Final]:
    """Finals of a live session; int16 [n, channels], of which a single one is heard alone."""
    config = SessionConfig(
        language=options.language,
        interim_results=False,
        endpointing=Endpointing.AUTO,
        channels=samples.shape[1],
        channel_mode=mode,
    )
    start = Advance(0, 0, TakeoverState())
    session = live_session("s", config, LivePolicy(), load_vad("silero"), committed=start)
    session.speculates = False
    finals: list[Final] = []
    step = AUDIO_RATE_HZ // 10
    frames = [
        Frame(seq, FrameKind.AUDIO, samples[at : at + step].tobytes(), FrameMeta(start_sample=at))
        for seq, at in enumerate(range(0, len(samples), step), start=1)
    ]
    for frame in [*frames, Frame(len(frames) + 1, FrameKind.STOP)]:
        began = time.process_time()
        session.feed(frame, 0)
        cost.vad_s += time.process_time() - began
        began = time.process_time()
        while (ticket := session.begin()) is not None:
            cost.decoded_s += (ticket.end - ticket.begin) / AUDIO_RATE_HZ
            session.apply(engine.decode([ticket.decode])[0], 0)
        cost.cpu_s += time.process_time() - began
        finals += [outcome.event for outcome in session.take_outcomes() if isinstance(outcome.event, Final)]
    assert session.finished
    return sorted(finals, key=lambda final: final.start_ms)


def score(cost: Cost, normalise: Any, reference: str, segments: Sequence[JobSegment | Final]) -> None:
    text = " ".join(segment.text for segment in segments)
    cost.texts.append(text)
    said, heard = normalise(reference), normalise(text)
    found = jiwer.process_words(said, heard)
    cost.errors += found.substitutions + found.deletions + found.insertions
    cost.words += len(said.split())


def run(options: argparse.Namespace) -> dict[str, Any]:
    clips = utterances(corpus_folder(options.corpus), options.language, options.clips)
    made = calls(clips, options.turns, options.overlap_s, options.pause_s)
    engine = load_engine("auto", options.model, default_models_dir(), device="cpu", workers=1, threads=1)
    normalise = normaliser(options.language)
    config = JobConfig("j", language=options.language)
    ways = {"mix": Cost(), "separate": Cost(), "alone": Cost()}
    by_channel = {way: [Cost(), Cost()] for way in ("separate", "alone")}

    def texts(samples: Audio, way: str) -> Sequence[JobSegment | Final]:
        if options.live:
            mode = ChannelMode.SEPARATE if way == "separate" else ChannelMode.MIX
            return heard(engine, samples, mode, options, ways[way])
        return transcribed(engine, samples, (0, 1) if way == "separate" else (), config, ways[way])

    for call in made:
        score(ways["mix"], normalise, call.in_turn, texts(mixed(call.samples), "mix"))
        segments = texts(call.samples, "separate")
        for channel in (0, 1):
            ours = [segment for segment in segments if segment.channel == channel]
            alone = texts(call.samples[:, channel : channel + 1], "alone")
            for way, found in (("separate", ours), ("alone", alone)):
                for cost in (ways[way], by_channel[way][channel]):
                    score(cost, normalise, call.said[channel], found)
    audio_s = sum(len(call.samples) for call in made) / AUDIO_RATE_HZ
    return {
        "model": options.model,
        "live": options.live,
        "calls": len(made),
        "audio_s": round(audio_s, 1),
        "both_talk_s": round(sum(call.overlap_s for call in made), 1),
        "ways": {way: cost.view(audio_s) for way, cost in ways.items()},
        "wer_percent_by_channel": {
            way: [round(100 * cost.errors / max(1, cost.words), 2) for cost in costs]
            for way, costs in by_channel.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--language", default="en")
    parser.add_argument("--clips", type=int, default=48, help="utterances of the corpus")
    parser.add_argument("--turns", type=int, default=8, help="utterances in a call")
    parser.add_argument(
        "--overlap-s", type=float, default=2.0, help="most seconds that one begins before the other ends"
    )
    parser.add_argument("--pause-s", type=float, default=0.8, help="most seconds between two turns")
    parser.add_argument("--live", action="store_true", help="as live sessions, not as files")
    parser.add_argument("--out")
    options = parser.parse_args()
    write_result(options.out, "channels", run(options))


if __name__ == "__main__":
    main()
