"""Speakers in files: conversations mixed from recordings of single speakers, through the code that uploads take.

Thresholds were chosen on the speakers of ``--half chosen``; the figures to quote are those of ``--half other``. Costs
are processor time of this process.
"""

import argparse
import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# As in a transcriber, where several threads of numpy would only wait for each other: before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import numpy as np
from common import corpus_folder, read_audio, write_result
from conversations import Conversation, Phrase, converse, phrases_by_speaker
from diarization_error import Errors, Speech, diarization_error, joined
from numpy.typing import NDArray

from stt_shared.contracts.jobs import Chunk, ChunkResult, JobConfig, JobSegment, JobWord
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.contracts.speakers import SpeakerCount
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.core.files.cutter import ChunkCutter, CutterPolicy
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.speakers.turns import with_speakers
from stt_transcriber.engines.base import Engine
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.files.transcription import transcribe
from stt_transcriber.files.voices import ChunkVoiceReader
from stt_transcriber.models.store import default_models_dir
from stt_transcriber.speakers.registry import LazySpeakerModel
from stt_transcriber.vad.models import load_vad

CHOSEN = (
    "librispeech-1688", "librispeech-1998", "librivox-sense01", "asterisk-allison", "unnamed-de", "unnamed-pt"
)  # fmt: skip
"""Speakers on whom the thresholds were chosen."""
COUNTS = (2, 3, 4)
AUTO = SpeakerCount()


@dataclass(frozen=True)
class Told:
    """One recording through the pipeline: segments with speakers, and what voices and clustering cost in seconds."""

    plain: list[JobSegment]
    segments: list[JobSegment]
    voices_s: float
    clustering_s: float
    parts: list[ChunkResult]


def conversation_arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser of what ``asked_conversations`` needs, and of the model and the file of the result."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--half", choices=("chosen", "other"), default="other")
    parser.add_argument("--each", type=int, default=4, help="conversations of each number of speakers")
    parser.add_argument("--seconds", type=float, default=120.0, help="length of a conversation")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--out")
    return parser


def asked_conversations(args: argparse.Namespace) -> tuple[list[str], list[Conversation]]:
    """The names of the speakers of the half that was asked for, and conversations of them."""
    phrases = {
        name: mine
        for name, mine in phrases_by_speaker(corpus_folder(args.corpus)).items()
        if (name in CHOSEN) == (args.half == "chosen")
    }
    return sorted(phrases), conversations(phrases, args.each, args.seconds, args.seed)


def main() -> None:
    parser = conversation_arguments(__doc__)
    parser.add_argument("--recording", type=Path, action="append", default=[], help="also show who speaks in a file")
    args = parser.parse_args()
    voices, asked = asked_conversations(args)
    pipeline = Pipeline(args.model)
    rows = [measured(pipeline, conversation) for conversation in asked]
    write_result(
        args.out,
        "speakers",
        {
            "model": args.model,
            "half": args.half,
            "voices": voices,
            "by_speakers": {str(count): summary([row for row in rows if row["speakers"] == count]) for count in COUNTS},
            "all": summary(rows),
            "recordings": {path.name: turns(pipeline, read_audio(path)) for path in args.recording},
        },
    )


class Pipeline:
    """What a transcriber does with an upload, without Redis and one step after the other."""

    def __init__(self, model: str) -> None:
        folder = default_models_dir()
        self._engine: Engine = load_engine("onnxruntime", model, folder, device="cpu", workers=1, threads=1)
        self._new_vad = load_vad("silero")
        self._voices = ChunkVoiceReader(LazySpeakerModel(folder).get, 1)

    def told(self, samples: NDArray[np.int16], count: SpeakerCount = AUTO) -> Told:
        return asyncio.run(self._told(samples, count))

    async def _told(self, samples: NDArray[np.int16], count: SpeakerCount) -> Told:
        config = JobConfig("benchmark", speakers=count)
        cutter = ChunkCutter(self._new_vad().probabilities, LivePolicy().gate, CutterPolicy(), detects=False)
        cut = [*cutter.feed(samples), *cutter.finish()]
        parts = []
        voices_s = 0.0
        for index, piece in enumerate(cut):
            size, pcm = len(piece.samples), piece.samples.tobytes()
            chunk = Chunk("benchmark", "e", index, piece.start, size, piece.voice_share, piece.voiced)
            part = await transcribe(chunk, pcm, config, self._decode)
            began_s = time.process_time()
            voices = await self._voices.read(chunk, pcm)
            voices_s += time.process_time() - began_s
            if voices is None:
                raise SystemExit("error: run `stt models pull diarization` first")
            parts.append(msgspec.structs.replace(part, voices=voices))
        plain = [segment for part in parts for segment in part.segments]
        began_s = time.process_time()
        segments = with_speakers(plain, [part.voices for part in parts if part.voices], count)
        return Told(plain, segments, voices_s, time.process_time() - began_s, parts)

    async def _decode(self, request: DecodeRequest) -> Hypothesis:
        return self._engine.decode([request])[0]


def conversations(phrases: dict[str, list[Phrase]], each: int, length_s: float, seed: int) -> list[Conversation]:
    """As many conversations of each number of speakers, with different ones as far as there are."""
    found = []
    for count in COUNTS:
        groups = list(itertools.combinations(sorted(phrases), count))
        order = np.random.default_rng(seed + count).permutation(len(groups))
        for at in range(each):
            group = groups[order[at % len(groups)]]
            found.append(converse({name: phrases[name] for name in group}, length_s, seed + 100 * count + at))
    return found


def measured(pipeline: Pipeline, conversation: Conversation) -> dict[str, Any]:
    told = pipeline.told(conversation.samples)
    known = SpeakerCount(len(conversation.speakers), len(conversation.speakers))
    given = with_speakers(told.plain, [part.voices for part in told.parts if part.voices], known)
    reference = {
        name: joined([(word.start_s, word.end_s) for word in conversation.words if word.speaker == name])
        for name in conversation.speakers
    }
    errors, errors_given = (diarization_error(reference, speech_of(segments)) for segments in (told.segments, given))
    wrong, words = wrong_words(conversation, told.segments, errors)
    return {
        "speakers": len(conversation.speakers),
        "found": len({segment.speaker for segment in told.segments}),
        "errors": errors,
        "errors_given": errors_given,
        "wrong": wrong,
        "words": words,
        "same_text": " ".join(word.word for word in words_of(told.segments))
        == " ".join(word.word for word in words_of(told.plain)),
        "audio_s": len(conversation.samples) / AUDIO_RATE_HZ,
        "voices_s": told.voices_s,
        "clustering_s": told.clustering_s,
    }


def words_of(segments: Sequence[JobSegment]) -> list[JobWord]:
    return [word for segment in segments for word in segment.words]


def speech_of(segments: Sequence[JobSegment]) -> Speech:
    words = words_of(segments)
    names = {word.speaker for word in words}
    return {name: joined([(word.start, word.end) for word in words if word.speaker == name]) for name in names}


def wrong_words(conversation: Conversation, segments: Sequence[JobSegment], errors: Errors) -> tuple[int, int]:
    """Words with a wrong speaker, and all words; those where nobody speaks do not count, and in overlapping speech each
    of the speakers is right."""
    starts = np.array([word.start_s for word in conversation.words])
    ends = np.array([word.end_s for word in conversation.words])
    wrong = counted = 0
    for word in words_of(segments):
        middle = (word.start + word.end) / 2
        speaking = {conversation.words[at].speaker for at in np.flatnonzero((starts <= middle) & (middle <= ends))}
        if speaking:
            counted += 1
            wrong += errors.mapping.get(word.speaker) not in speaking
    return wrong, counted


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def rate(name: str) -> dict[str, float]:
        total = sum(row[name].total for row in rows)
        parts = {
            part: sum(getattr(row[name], part) for row in rows) / total for part in ("missed", "alarm", "confused")
        }
        return {"rate": round(sum(parts.values()), 4), **{part: round(value, 4) for part, value in parts.items()}}

    audio_s = sum(row["audio_s"] for row in rows)
    return {
        "conversations": len(rows),
        "audio_s": round(audio_s),
        "number_right": round(sum(row["found"] == row["speakers"] for row in rows) / len(rows), 3),
        "found": [row["found"] for row in rows],
        "diarization_error": rate("errors"),
        "diarization_error_number_given": rate("errors_given"),
        "wrong_words": round(sum(row["wrong"] for row in rows) / sum(row["words"] for row in rows), 4),
        "same_text": all(row["same_text"] for row in rows),
        "voices_core_s_per_audio_s": round(sum(row["voices_s"] for row in rows) / audio_s, 4),
        "clustering_core_s_per_audio_s": round(sum(row["clustering_s"] for row in rows) / audio_s, 5),
    }


def turns(pipeline: Pipeline, samples: NDArray[np.int16]) -> list[str]:
    segments = pipeline.told(samples).segments
    spoken = itertools.groupby(segments, key=lambda segment: segment.speaker)
    return [f"{name}: {' '.join(segment.text for segment in said)}" for name, said in spoken]


if __name__ == "__main__":
    main()
