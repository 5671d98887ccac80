#!/usr/bin/env python3
"""Languages: how often an utterance or a file is transcribed in another language than was spoken, and what detection
costs. Unpaced: the pure core of a live session and of files around the real engine, without Redis.

alone: each utterance a session, and a file, of its own. lists: the same with a choice of three languages, its own and
two others. changes: sequences of utterances in languages that change, 1.5 s between them. short: files of ten
one-second sayings of one language.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from common import AUDIO_RATE_HZ, corpus_folder, read_audio, write_result
from numpy.typing import NDArray

from stt_shared.contracts.events import Final
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.jobs import Chunk, ChunkResult, JobConfig, JobResult, JobStatus
from stt_shared.contracts.session import SessionConfig
from stt_shared.streams.job_state import JobState
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.core.files.cutter import ChunkCutter, CutterPolicy
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.engines.base import Engine
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.files.job_result import assembled
from stt_transcriber.files.transcription import transcribe
from stt_transcriber.models.store import default_models_dir
from stt_transcriber.vad.models import load_vad

PAUSE_S = 1.5
SEED = 7
Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Spoken:
    """An utterance. ``words``: start and end of each in seconds."""

    id: str
    language: str
    samples: Samples
    words: list[tuple[float, float]]


@dataclass
class Tally:
    """``wrong``: what came out in another language, with what it should have been."""

    total: int = 0
    wrong: list[str] = field(default_factory=list)

    def count(self, name: str, expected: str, got: str) -> None:
        self.total += 1
        if got != expected:
            self.wrong.append(f"{name}: {expected} -> {got or 'nothing'}")

    def figures(self) -> dict[str, Any]:
        return {"total": self.total, "wrong": len(self.wrong), "which": self.wrong}


class Bench:
    """The engine, and the processor time and audio that went through it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.new_vad = load_vad("silero")

    def live(self, audio: Samples, **config: Any) -> list[Final]:
        """The finals of a session in which this is said."""
        session = LiveSession("s", SessionConfig(interim_results=False, **config), LivePolicy(), self.new_vad())
        frames = [
            Frame(seq, FrameKind.AUDIO, audio[at : at + 1600].tobytes(), FrameMeta(1.0, at))
            for seq, at in enumerate(range(0, len(audio), 1600), start=1)
        ]
        finals = []
        for frame in [*frames, Frame(len(frames) + 1, FrameKind.STOP)]:
            session.feed(frame, 0)
            while ticket := session.begin():
                assert isinstance(ticket.request, DecodeRequest)  # the policy has no turn model
                session.apply(self.engine.decode([ticket.request])[0], 0)
            finals += [outcome.event for outcome in session.take_outcomes() if isinstance(outcome.event, Final)]
        return finals

    def file(self, audio: Samples, seed: int = 0, **config: Any) -> JobResult:
        """The result of a file, whose chunks are done in a random order."""
        job = JobConfig("j", **config)
        cutter = ChunkCutter(self.new_vad().probabilities, LivePolicy().gate, CutterPolicy(), detects=not job.language)
        portions = range(0, len(audio), AUDIO_RATE_HZ)
        cut = [chunk for at in portions for chunk in cutter.feed(audio[at : at + AUDIO_RATE_HZ])] + cutter.finish()
        parts: dict[int, ChunkResult] = {}

        async def decode(request: DecodeRequest) -> Hypothesis:
            return self.engine.decode([request])[0]

        for index in random.Random(seed).sample(range(len(cut)), len(cut)):
            one = cut[index]
            evidence = one.evidence.tobytes()
            chunk = Chunk("j", "e", index, one.start, len(one.samples), one.voice_share, one.voiced, evidence)
            parts[index] = asyncio.run(transcribe(chunk, one.samples.tobytes(), job, decode))
        state = JobState("e", True, JobStatus.PROCESSING, job, total_samples=len(audio))
        return assembled(state, [parts[index] for index in range(len(cut))])


def spoken(folder: Path) -> list[Spoken]:
    """All utterances with a reference."""
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return [
        Spoken(row["id"], row["lang"], read_audio(folder / row["path"]), [(b, e) for _, b, e in row.get("words") or []])
        for row in rows
        if row["kind"] == "utterance" and row["text"]
    ]


def quiet(seconds: float) -> Samples:
    return np.zeros(round(seconds * AUDIO_RATE_HZ), np.int16)


def language_of(finals: Sequence[Final]) -> str:
    """The language of most of the speech."""
    lengths: dict[str, int] = {}
    for final in finals:
        lengths[final.language] = lengths.get(final.language, 0) + final.end_ms - final.start_ms
    return max(lengths, key=lengths.__getitem__, default="")


def alone(bench: Bench, said: Sequence[Spoken]) -> dict[str, Any]:
    live, files = Tally(), Tally()
    for one in said:
        live.count(one.id, one.language, language_of(bench.live(one.samples)))
        files.count(one.id, one.language, bench.file(one.samples).language)
    return {"live": live.figures(), "files": files.figures()}


NEIGHBOURS = {
    "es": [("pt", "gl"), ("it", "ca"), ("pt", "it")],
    "pt": [("es", "gl"), ("it", "es"), ("fr", "es")],
    "de": [("nl", "af"), ("nl", "en"), ("da", "sv")],
    "fr": [("ca", "oc"), ("it", "es"), ("en", "br")],
    "en": [("de", "fr"), ("zh", "ar"), ("cy", "nl"), ("hi", "la")],
}


def lists(bench: Bench, said: Sequence[Spoken]) -> dict[str, Any]:
    """Each utterance with one of the choices in turn, where its language is not of many utterances with all."""
    live, files = Tally(), Tally()
    for number, one in enumerate(said):
        choices = NEIGHBOURS[one.language]
        for others in choices if one.language != "en" else [choices[number % len(choices)]]:
            languages = (one.language, *others)
            name = f"{one.id} of {','.join(languages)}"
            live.count(name, one.language, language_of(bench.live(one.samples, languages=languages)))
            files.count(name, one.language, bench.file(one.samples, languages=languages).language)
    return {"live": live.figures(), "files": files.figures()}


def changes(bench: Bench, said: Sequence[Spoken], sequences: int) -> dict[str, Any]:
    """Sequences of eight utterances, in which the language changes after one or two."""
    draw = random.Random(SEED)
    of = {
        code: [one for one in said if one.language == code and len(one.samples) < 14 * AUDIO_RATE_HZ]
        for code in NEIGHBOURS
    }
    live, files = Tally(), Tally()
    for number in range(sequences):
        order: list[str] = []
        while len(order) < 8:
            order += [draw.choice([code for code in of if not order or code != order[-1]])] * draw.choice((1, 2))
        chosen = [draw.choice(of[code]) for code in order]
        parts = [part for one in chosen for part in (one.samples, quiet(PAUSE_S))]
        begins = np.cumsum([0, *(len(part) for part in parts)])[::2] / AUDIO_RATE_HZ
        audio = np.concatenate(parts)
        finals = bench.live(audio)
        segments = bench.file(audio, number).segments
        for index, one in enumerate(chosen):
            begin, end = begins[index], begins[index + 1]
            name = f"{number}.{index} {one.id} after {order[index - 1] if index else 'nothing'}"
            inside = [final for final in finals if begin <= (final.start_ms + final.end_ms) / 2000 < end]
            live.count(name, one.language, language_of(inside))
            lengths: dict[str, float] = {}
            for segment in segments:
                if begin <= (segment.start + segment.end) / 2 < end:
                    lengths[segment.language] = lengths.get(segment.language, 0.0) + segment.end - segment.start
            files.count(name, one.language, max(lengths, key=lengths.__getitem__, default=""))
    return {"live": live.figures(), "files": files.figures()}


def sayings(bench: Bench, said: Sequence[Spoken], gap_s: float) -> dict[str, Any]:
    """Files and sessions of ten sayings of about a second each, in one language."""
    live, files, segments = Tally(), Tally(), Tally()
    for code in NEIGHBOURS:
        short = [cut for one in said if one.language == code for cut in seconds_of(one)]
        for number in range(0, min(len(short), 30) - 9, 10):
            audio = np.concatenate([part for cut in short[number : number + 10] for part in (cut, quiet(gap_s))])
            name = f"{code} {number // 10}"
            for index, final in enumerate(bench.live(audio)):
                live.count(f"{name}.{index}", code, final.language)
            result = bench.file(audio)
            files.count(name, code, result.language)
            for index, segment in enumerate(result.segments):
                segments.count(f"{name}.{index}", code, segment.language)
    return {"live": live.figures(), "files": files.figures(), "segments": segments.figures()}


def seconds_of(one: Spoken) -> Iterator[Samples]:
    """Up to four stretches of whole words of 0.8 to 1.3 s."""
    first = found = 0
    for index, (_, end) in enumerate(one.words):
        length = end - one.words[first][0]
        if length >= 0.8:
            if length <= 1.3 and found < 4:
                found += 1
                begin = max(0.0, one.words[first][0] - 0.05)
                yield one.samples[round(begin * AUDIO_RATE_HZ) : round((end + 0.05) * AUDIO_RATE_HZ)]
            first = index + 1


def cost(bench: Bench, said: Sequence[Spoken]) -> dict[str, Any]:
    """Processor time per second of audio, with detection and with the language given."""
    audio = [one for one in said if one.language == "en"][:40]
    length_s = sum(len(one.samples) for one in audio) / AUDIO_RATE_HZ
    figures: dict[str, Any] = {}
    for way in ("live", "file"):
        run = getattr(bench, way)
        for name, config in (("given", {"language": "en"}), ("detected", {}), ("given again", {"language": "en"})):
            began = time.process_time()
            for one in audio:
                run(one.samples, **config)
            figures[f"{way}, {name}"] = round((time.process_time() - began) / length_s, 4)
    return {"cpu_s_per_audio_s": figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--sequences", type=int, default=6)
    parser.add_argument("--sample", type=int, help="so many utterances, drawn by chance, instead of all")
    parser.add_argument("--only", nargs="*", choices=("alone", "lists", "changes", "short", "cost"))
    parser.add_argument("--out")
    args = parser.parse_args()
    bench = Bench(load_engine(args.engine, args.model, default_models_dir(), device="cpu", workers=1, threads=2))
    said = spoken(corpus_folder(args.corpus))
    drawn = random.Random(SEED).sample(said, args.sample) if args.sample else said
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "alone": lambda: alone(bench, drawn),
        "lists": lambda: lists(bench, drawn),
        "changes": lambda: changes(bench, said, args.sequences),
        "short": lambda: {f"silence of {gap_s:g} s": sayings(bench, said, gap_s) for gap_s in (1.5, 5.0)},
        "cost": lambda: cost(bench, said),
    }
    result: dict[str, Any] = {"model": args.model, "engine": args.engine}
    for name, part in parts.items():
        if not args.only or name in args.only:
            result[name] = part()
            write_result(args.out, "languages", result)


if __name__ == "__main__":
    main()
