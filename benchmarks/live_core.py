#!/usr/bin/env python3
"""Word errors, cuts and latency of live finals, as the pure core gives them, without a suite around it and unpaced.

Which finals there are, and their texts, depend on the audio alone (core/live/session.py). So with a virtual clock they
are those of a real session, at a small part of its time. Each recording is a session of its own that ends with `stop`;
with `--joined` the recordings of one speaker follow each other in one session, and with `--minutes` all of them, from
the first again until the time is up, which is then also one file. Latencies: the silence that the core
waited plus the processor time of a decode that was not ready by then, on one thread.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import AUDIO_RATE_HZ, Clip, corpus_folder, utterances, write_result
from live_wer import offline
from long_session import errors, played
from numpy.typing import NDArray

from stt_cli.bench.cuts import mid_sentence_cuts
from stt_cli.bench.packages import normaliser
from stt_cli.bench.player import pause
from stt_cli.bench.score import quantiles
from stt_shared.contracts.events import Final, SpeechEnded
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.jobs import Chunk, JobConfig
from stt_shared.contracts.session import Endpointing, SessionConfig
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, TurnRequest
from stt_transcriber.core.files.cutter import ChunkCutter, CutterPolicy
from stt_transcriber.core.live.policy import LivePolicy, TurnPolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.engines.base import FileEngine
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.files.transcription import transcribe
from stt_transcriber.models.store import default_models_dir, resolve
from stt_transcriber.turn.model import load_turn_model
from stt_transcriber.vad.models import VadFactory, load_vad

FRAME = 512
"""Samples of a frame: one window of the voice model, so that no wait is rounded up."""
_PER_MS = AUDIO_RATE_HZ // 1000


@dataclass
class Heard:
    """What one session gave. ``waits_ms``: of each final, from the end of its speech."""

    finals: list[Final] = field(default_factory=list)
    waits_ms: list[float] = field(default_factory=list)
    decodes: int = 0
    in_vain: int = 0
    decode_ms: float = 0.0
    judged: int = 0
    judge_ms: float = 0.0

    @property
    def texts(self) -> list[str]:
        return [final.text for final in self.finals]


@dataclass(frozen=True)
class Parts:
    """What all sessions of a run share."""

    engine: Any
    new_vad: VadFactory
    policy: LivePolicy
    config: SessionConfig
    speculates: bool
    turn: Callable[[NDArray[np.float32]], float] | None = None


def play(samples: NDArray[np.int16], parts: Parts) -> Heard:
    """One session; each decode is over before the next frame arrives, as on a machine of any speed."""
    session = LiveSession("s", parts.config, parts.policy, parts.new_vad())
    session.speculates = parts.speculates
    heard = Heard()
    ready_ms: dict[int, float] = {}  # end of a decode's audio -> when it is over
    speech_end_ms = 0
    for frame in frames_of(samples):
        session.feed(frame, 0)
        now_ms = min(frame.seq * FRAME, len(samples)) / _PER_MS
        while True:
            for outcome in session.take_outcomes():
                if isinstance(outcome.event, SpeechEnded):
                    speech_end_ms = outcome.event.end_ms
                if isinstance(outcome.event, Final):
                    heard.finals.append(outcome.event)
                    if frame.kind is FrameKind.AUDIO:
                        over_ms = ready_ms.get(outcome.event.committed_ms, now_ms)
                        heard.waits_ms.append(max(now_ms, over_ms) - speech_end_ms)
            ticket = session.begin()
            if ticket is None:
                break
            began = time.process_time()
            if isinstance(ticket.request, TurnRequest):
                assert parts.turn is not None
                probability = parts.turn(ticket.request.samples)
                heard.judged += 1
                heard.judge_ms += (time.process_time() - began) * 1000
                session.judge(probability, 0)
                continue
            (hypothesis,) = parts.engine.decode([ticket.request])
            took_ms = (time.process_time() - began) * 1000
            heard.decode_ms += took_ms
            if ticket.kind is Kind.FINAL:
                heard.decodes += 1
                ready_ms[ticket.end // _PER_MS] = now_ms + took_ms
            session.apply(hypothesis, 0)
    assert session.finished
    heard.in_vain = len(set(ready_ms) - {final.committed_ms for final in heard.finals})
    return heard


def frames_of(samples: NDArray[np.int16]) -> Iterator[Frame]:
    """The audio in windows, and STOP."""
    seq = 0
    for seq, at in enumerate(range(0, len(samples), FRAME), start=1):
        yield Frame(seq, FrameKind.AUDIO, samples[at : at + FRAME].tobytes(), FrameMeta(1.0, at))
    yield Frame(seq + 1, FrameKind.STOP)


def as_file(samples: NDArray[np.int16], parts: Parts) -> str:
    """The text of the path of files: the same cutter, decodes and guards as of a job."""
    engine: FileEngine = parts.engine
    vad = parts.new_vad()
    cutter = ChunkCutter(vad.probabilities, parts.policy.gate, CutterPolicy(), detects=False)
    chunks = [*cutter.feed(samples), *cutter.finish()]

    async def decode(request: DecodeRequest) -> Hypothesis:
        return engine.decode_files([request], lambda: None)[0]

    async def texts() -> list[str]:
        config = JobConfig("", language=parts.config.language)
        return [
            (
                await transcribe(
                    Chunk("", "", n, cut.start, len(cut.samples), cut.voice_share, cut.voiced),
                    cut.samples.tobytes(),
                    config,
                    decode,
                )
            ).text
            for n, cut in enumerate(chunks)
        ]

    return " ".join(asyncio.run(texts()))


def joined(clips: list[Clip]) -> list[list[Clip]]:
    """The clips of each speaker (by their ids), in the manifest's order, as sessions of several turns."""
    speakers: dict[str, list[Clip]] = {}
    for clip in clips:
        speakers.setdefault(clip.id.rpartition("-")[0], []).append(clip)
    return list(speakers.values())


def offline_texts(path: Path | None, model: str, clips: list[Clip], language: str) -> dict[str, str]:
    """Texts of faster-whisper with beam 5 by id, from a file that an earlier run wrote where there is one."""
    known: dict[str, Any] = json.loads(path.read_text()) if path and path.exists() else {}
    missing = [clip for clip in clips if clip.id not in known]
    if missing:
        texts = offline(str(resolve(model, default_models_dir())), missing, language)
        for clip, text in zip(missing, texts, strict=True):
            known[clip.id] = {"lang": language, "ref": clip.text, "offline": text}
        if path:
            path.write_text(json.dumps(known, ensure_ascii=False, indent=1))
    return {clip.id: known[clip.id]["offline"] for clip in clips}


def with_gaps(clips: list[Clip], gap_s: float) -> NDArray[np.int16]:
    """The recordings one after the other, near-silence after each."""
    gap = np.frombuffer(pause(gap_s, random.Random(0)), np.int16)
    return np.concatenate([part for clip in clips for part in (clip.samples, gap)])


def figures(sessions: list[list[Clip]], parts: Parts, gap_s: float, normalise: Callable[[str], str]) -> dict[str, Any]:
    """Of the live path."""
    references, texts, waits, cuts = [], [], [], 0
    heard: list[Heard] = []
    for clips in sessions:
        heard.append(play(with_gaps(clips, gap_s), parts))
        cuts += mid_sentence_cuts([clip.text for clip in clips], heard[-1].texts, normalise)
        references.append(normalise(" ".join(clip.text for clip in clips)))
        texts.append(normalise(" ".join(heard[-1].texts)))
        waits += [wait / 1000 for wait in heard[-1].waits_ms]
    audio_s = sum(clip.duration_s + gap_s for clips in sessions for clip in clips)
    return {
        **errors(references, texts),
        "finals": sum(len(session.finals) for session in heard),
        "cut_in_mid_sentence": cuts,
        "final_after_speech_s": quantiles(waits),
        "decodes": sum(session.decodes for session in heard),
        "decodes_in_vain": sum(session.in_vain for session in heard),
        "pauses_judged": sum(session.judged for session in heard),
        "judge_cpu_s_per_audio_s": round(sum(session.judge_ms for session in heard) / 1000 / audio_s, 4),
        "decode_cpu_s_per_audio_s": round(sum(session.decode_ms for session in heard) / 1000 / audio_s, 4),
    }


def fields(items: list[str]) -> dict[str, Any]:
    """NAME=VALUE, the value as JSON."""
    return {name: json.loads(value) for name, _, value in (item.partition("=") for item in items)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--language", default="en")
    parser.add_argument("--kinds", nargs="+", default=["utterance"])
    parser.add_argument("--ids", default="", help="only recordings whose ids begin like this")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--joined", action="store_true", help="one session a speaker")
    parser.add_argument("--minutes", type=float, help="one session of all recordings, this long")
    parser.add_argument("--gap", type=float, default=1.5, help="seconds of near-silence after each recording")
    parser.add_argument("--endpointing", type=Endpointing, default=Endpointing.AUTO, choices=list(Endpointing))
    parser.add_argument("--endpointing-ms", type=int, default=SessionConfig().endpointing_ms)
    parser.add_argument("--endpointing-max-ms", type=int, default=SessionConfig().endpointing_max_ms)
    parser.add_argument("--no-turn-model", action="store_true", help="judge pauses by the text alone")
    parser.add_argument("--turn", nargs="*", default=[], metavar="NAME=VALUE", help="fields of TurnPolicy")
    parser.add_argument("--busy", action="store_true", help="no time for finals ahead of the end of a pause")
    parser.add_argument("--policy", nargs="*", default=[], metavar="NAME=VALUE", help="fields of LivePolicy")
    parser.add_argument("--offline", type=Path, help="file that keeps the texts of faster-whisper")
    parser.add_argument("--no-files", action="store_true", help="leave out the path of files")
    parser.add_argument("--out")
    args = parser.parse_args()

    clips = utterances(corpus_folder(args.corpus), args.language, args.limit, tuple(args.kinds))
    clips = [clip for clip in clips if clip.id.startswith(args.ids) and clip.text.strip()]
    normalise = normaliser(args.language)
    changes, turn_changes = fields(args.policy), fields(args.turn)
    models_dir = default_models_dir()
    turn = None if args.no_turn_model else load_turn_model(models_dir)
    config = SessionConfig(
        language=args.language,
        interim_results=False,
        endpointing=args.endpointing,
        endpointing_ms=args.endpointing_ms,
        endpointing_max_ms=args.endpointing_max_ms,
    )
    policy = TurnPolicy(**{"has_model": turn is not None, **turn_changes})
    parts = Parts(
        load_engine("auto", args.model, models_dir, device="cpu", workers=1, threads=1),
        load_vad("silero"),
        replace(LivePolicy(turn=policy), **changes),
        config,
        speculates=not args.busy,
        turn=turn.probability if turn else None,
    )
    if args.minutes:
        sessions = [played(clips, args.minutes * 60, args.gap)]
    else:
        sessions = joined(clips) if args.joined else [[clip] for clip in clips]
    order = [clip for session in sessions for clip in session]
    references = [normalise(clip.text) for clip in order]
    result: dict[str, Any] = {
        "model": args.model,
        "language": args.language,
        "recordings": len(order),
        "sessions": len(sessions),
        "audio_s": round(sum(clip.duration_s for clip in order), 1),
        "gap_s": args.gap,
        "endpointing": config.endpointing,
        "endpointing_ms": config.endpointing_ms,
        "endpointing_max_ms": config.endpointing_max_ms,
        "turn_model": turn is not None,
        "policy": changes,
        "turn_policy": turn_changes,
        "live": figures(sessions, parts, args.gap, normalise),
    }
    write_result(args.out, "live_core", result)
    if not args.no_files:
        files = [with_gaps(order, args.gap)] if args.minutes else [clip.samples for clip in order]
        said = [normalise(as_file(samples, parts)) for samples in files]
        result["files"] = errors([" ".join(references)] if args.minutes else references, said)
        write_result(args.out, "live_core", result)
    texts = offline_texts(args.offline, args.model, clips, args.language)
    result["offline_beam5"] = errors(references, [normalise(texts[clip.id]) for clip in order])
    write_result(args.out, "live_core", result)


if __name__ == "__main__":
    main()
