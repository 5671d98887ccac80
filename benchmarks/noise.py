#!/usr/bin/env python3
"""Words made of noise: at least ten minutes without speech through the live path and as files, in one language or
several, and short real words through the live path as a control.

Offline, as fast as the model is: frames go into the live session with the real voice model, and whatever decode is due
goes to the real model at once. Noise: the corpus's files of kind "noise", and clatter of a keyboard, breathing and hold
music made here. Control: words like "thank you", cut from the corpus's speech, after long silence.
"""

import argparse
import asyncio
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from common import AUDIO_RATE_HZ, corpus_folder, read_audio, write_result
from numpy.typing import NDArray
from rich.progress import Progress

from stt_shared.contracts.engines import EngineName
from stt_shared.contracts.events import Final, Partial
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.jobs import Chunk, JobConfig
from stt_shared.contracts.session import SessionConfig
from stt_transcriber.core.audio.vad_gate import GatePolicy
from stt_transcriber.core.audio.vad_stream import VadModel
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.core.files.cutter import ChunkCutter, CutterPolicy
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.core.live.utterance import Ticket
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.core.text import guards
from stt_transcriber.engines.base import FileEngine
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.files.transcription import transcribe
from stt_transcriber.models.store import default_models_dir
from stt_transcriber.vad.models import load_vad

Audio = NDArray[np.int16]
FRAME = AUDIO_RATE_HZ // 10
PAUSE_S = 0.15
SHORTEST_S = 0.2
SHORT_SAYINGS = (
    "thank you",
    "thanks",
    "you",
    "yes",
    "no",
    "okay",
    "ok",
    "bye",
    "hello",
    "well",
    "why",
    "stop",
    "sorry",
    "right",
)


@dataclass
class Said:
    """What a session said."""

    partials: list[str] = field(default_factory=list)
    finals: list[str] = field(default_factory=list)
    decodes: int = 0
    rejected: Counter[str] = field(default_factory=Counter)


def keyboard(rng: np.random.Generator, seconds: float) -> Audio:
    """Keys struck in bursts: a click as the key hits the bottom, a softer one as it comes back."""
    out = 20.0 * rng.standard_normal(round(seconds * AUDIO_RATE_HZ))
    at = 0.5
    while at < seconds - 0.5:
        for _ in range(rng.integers(3, 14)):
            for delay_s, level in ((0.0, rng.uniform(2000, 9000)), (rng.uniform(0.06, 0.11), rng.uniform(600, 2500))):
                length = int(rng.integers(160, 480))
                begin = round((at + delay_s) * AUDIO_RATE_HZ)
                click = rng.standard_normal(length) * np.exp(-np.arange(length) / rng.uniform(20, 60))
                room = max(0, min(length, len(out) - begin))
                out[begin : begin + room] += level * click[:room]
            at += rng.uniform(0.09, 0.3)
        at += rng.uniform(0.3, 2.5)
    return _int16(out)


def breathing(rng: np.random.Generator, seconds: float) -> Audio:
    """Breath on a microphone: noise shaped by the throat, in and out, some four seconds each."""
    noise = np.fft.rfft(rng.standard_normal(round(seconds * AUDIO_RATE_HZ)))
    hertz = np.fft.rfftfreq(round(seconds * AUDIO_RATE_HZ), 1 / AUDIO_RATE_HZ)
    shape = sum(gain / (1 + ((hertz - peak) / width) ** 2) for peak, width, gain in _BREATH_PEAKS)
    shaped = np.fft.irfft(noise * shape, round(seconds * AUDIO_RATE_HZ))
    time = np.arange(len(shaped)) / AUDIO_RATE_HZ
    swell = np.maximum(0, np.sin(2 * np.pi * time / 4.1)) ** 1.5 + 0.6 * np.maximum(0, -np.sin(2 * np.pi * time / 4.1))
    return _int16(2500 * shaped / np.std(shaped) * swell + 15 * rng.standard_normal(len(shaped)))


_BREATH_PEAKS = ((500.0, 300.0, 1.0), (1500.0, 500.0, 0.6), (3200.0, 900.0, 0.3))


def hold_music(rng: np.random.Generator, seconds: float) -> Audio:
    """A melody over chords, as a telephone plays it: harmonics, vibrato, 300 to 3400 Hz."""
    time = np.arange(round(seconds * AUDIO_RATE_HZ)) / AUDIO_RATE_HZ
    out = np.zeros(len(time))
    chords = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))
    for beat in range(int(seconds / 0.5)):
        chord = chords[beat // 4 % 4]
        notes = [(note - 12, 0.5, 2.0) for note in chord] if beat % 4 == 0 else []
        notes.append((int(rng.choice(chord)) + 12, 1.0, 0.5))
        for note, level, length_s in notes:
            begin = round(beat * 0.5 * AUDIO_RATE_HZ)
            t = time[: round(length_s * AUDIO_RATE_HZ)][: len(time) - begin]
            hertz = 261.6 * 2 ** (note / 12)
            phase = 2 * np.pi * hertz * t + 0.3 * np.sin(2 * np.pi * 5.5 * t)
            tone = sum(np.sin(k * phase) / k**1.3 for k in range(1, 7)) * np.exp(-1.5 * t / length_s)
            out[begin : begin + len(t)] += level * tone
    spectrum = np.fft.rfft(out)
    hertz_axis = np.fft.rfftfreq(len(out), 1 / AUDIO_RATE_HZ)
    out = np.fft.irfft(spectrum * ((hertz_axis > 300) & (hertz_axis < 3400)), len(out))
    return _int16(6000 * out / np.max(np.abs(out)))


def _int16(samples: NDArray[np.floating[Any]]) -> Audio:
    return np.clip(np.round(samples), -32768, 32767).astype(np.int16)


def noises(folder: Path, minutes: float) -> dict[str, Audio]:
    """Name -> samples, all together at least this long; the corpus's files again, louder and quieter, if need be."""
    rng = np.random.default_rng(1)
    made = {"made-keyboard": keyboard, "made-breathing": breathing, "made-hold-music": hold_music}
    found = {name: make(rng, 60.0) for name, make in made.items()}
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    files = {row["id"]: read_audio(folder / row["path"]) for row in rows if row["kind"] == "noise"}
    for gain in (1.0, 0.25, 2.0, 0.5):
        for name, samples in files.items():
            found[f"{name} x{gain:g}"] = _int16(samples * gain)
        if sum(map(len, found.values())) >= minutes * 60 * AUDIO_RATE_HZ:
            return found
    raise SystemExit("error: the corpus has too few files of kind noise")


def short_sayings(folder: Path) -> Iterator[tuple[str, Audio]]:
    """One or two real words, cut out by their times: every such run between two pauses, and what people say alone.

    Of the latter only a "you" of some length: an unstressed one in the middle of a sentence is no word by itself.
    """
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row.get("lang") != "en" or row["kind"] not in ("utterance", "long"):
            continue
        words = [(re.sub(r"[^a-z']", "", word.lower()), begin, end) for word, begin, end in row.get("words") or []]
        samples: Audio | None = None
        index = 0
        while index < len(words):
            for count in (2, 1):
                run = words[index : index + count]
                text, begin, end = " ".join(word for word, _, _ in run), run[0][1], run[-1][2]
                before = begin - (words[index - 1][2] if index else 0.0)
                following = index + len(run)
                after = (words[following][1] if following < len(words) else row["duration_s"]) - end
                alone = min(before, after) >= PAUSE_S and SHORTEST_S <= end - begin < 1.0
                if alone or (text in SHORT_SAYINGS and end - begin >= SHORTEST_S):
                    samples = read_audio(folder / row["path"]) if samples is None else samples
                    lo, hi = begin - min(PAUSE_S, before), end + min(PAUSE_S, after)
                    yield text, samples[int(lo * AUDIO_RATE_HZ) : int(hi * AUDIO_RATE_HZ)]
                    index += len(run) - 1
                    break
            index += 1


def longest_words(folder: Path, count: int) -> tuple[str, ...]:
    """That many words of the corpus's English references."""
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    words = {
        word for row in rows if row.get("lang") == "en" for word in re.findall(r"[a-z]+", (row["text"] or "").lower())
    }
    return tuple(sorted(words, key=lambda word: (-len(word), word))[:count])


class AllIsVoice:
    """No voice model: every window holds voice."""

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.ones(len(samples) // 512, np.float32)

    def state(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        pass


class InboxSource:
    """A live session without Redis and without waiting."""

    def __init__(self, decode: Any, voice: VadModel, config: SessionConfig, policy: LivePolicy) -> None:
        self._decode = decode
        self._session = LiveSession("noise", config, policy, voice)
        self._interval = policy.partial_interval_ms * AUDIO_RATE_HZ // 1000
        self._next_partial = 0
        self.said = Said()

    def hear(self, samples: Audio) -> Said:
        """The whole of a recording, then `stop`."""
        for seq, at in enumerate(range(0, len(samples), FRAME), start=1):
            data = samples[at : at + FRAME].tobytes()
            self._feed(Frame(seq, FrameKind.AUDIO, data, FrameMeta(1.0, at)), at)
        self._feed(Frame(len(samples) // FRAME + 2, FrameKind.STOP), len(samples))
        self.said.rejected.update(self._session.rejected)
        return self.said

    def _feed(self, frame: Frame, position: int) -> None:
        self._session.feed(frame, 0)
        while True:
            for outcome in self._session.take_outcomes():
                if isinstance(outcome.event, Partial):
                    self.said.partials.append(outcome.event.text)
                elif isinstance(outcome.event, Final) and outcome.event.text:
                    self.said.finals.append(outcome.event.text)
            kind = self._session.due_decode()
            if kind is None or (kind is Kind.PARTIAL and position < self._next_partial):
                return
            ticket = self._session.begin()
            assert ticket is not None
            self._next_partial = position + self._interval
            self.said.decodes += 1
            self._session.apply(self._hypothesis_for(ticket), 0)

    def _hypothesis_for(self, ticket: Ticket) -> Hypothesis:
        hypothesis: Hypothesis
        (hypothesis,) = self._decode([ticket.request])
        return hypothesis


def text_of_file(engine: Any, voice: VadModel, samples: Audio, config: JobConfig) -> str:
    """The text of a file with this audio."""

    async def decode(request: DecodeRequest) -> Hypothesis:
        (hypothesis,) = (
            engine.decode_files([request], lambda: None) if isinstance(engine, FileEngine) else engine.decode([request])
        )
        return hypothesis

    cutter = ChunkCutter(voice.probabilities, GatePolicy(), CutterPolicy(), detects=config.language is None)
    cuts = cutter.feed(samples) + cutter.finish()
    texts = []
    for cut in cuts:
        chunk = Chunk("noise", "e", 0, cut.start, len(cut.samples), cut.voice_share, cut.voiced)
        texts.append(asyncio.run(transcribe(chunk, cut.samples.tobytes(), config, decode)).text)
    return " ".join(filter(None, texts))


def unguarded(*_: Any, **__: Any) -> None:
    """Lets every text through."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--language", help="one or several, such as de,fr; default: detected, as if none was named")
    parser.add_argument("--prompt", default="")
    parser.add_argument("--without-control", action="store_true")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--vad", choices=["silero", "rms", "none"], default="silero", help="none: all is voice")
    parser.add_argument("--without-guards", action="store_true")
    parser.add_argument("--keyterms", type=int, default=0, help="that many, of the longest words of the corpus")
    parser.add_argument("--out")
    args = parser.parse_args()

    folder = corpus_folder(args.corpus)
    engine = load_engine(EngineName.AUTO, args.model, default_models_dir(), device="cpu")
    new_vad = None if args.vad == "none" else load_vad(args.vad)
    if args.without_guards:
        guards.reason_to_reject = unguarded

    keyterms = longest_words(folder, args.keyterms)

    def listen(samples: Audio, language: str | None) -> Said:
        config = SessionConfig(language=language, prompt=args.prompt, keyterms=keyterms)
        return InboxSource(engine.decode, voice(), config, LivePolicy()).hear(samples)

    def voice() -> VadModel:
        return new_vad() if new_vad else AllIsVoice()

    rng = np.random.default_rng(2)
    sounds = noises(folder, args.minutes)
    languages: list[str | None] = args.language.split(",") if args.language else [None]
    sayings = [] if args.without_control else list(short_sayings(folder))
    invented: dict[str, dict[str, list[str]]] = {}
    rejected: Counter[str] = Counter()
    decodes = 0
    with Progress() as progress:
        cases = list(itertools.product(languages, sounds.items()))
        for language, (name, samples) in progress.track(cases, description="noise"):
            said = listen(samples, language)
            decodes += said.decodes
            rejected.update(said.rejected)
            of_file = text_of_file(
                engine, voice(), samples, JobConfig("noise", language=language, prompt=args.prompt, keyterms=keyterms)
            )
            if said.partials or said.finals or of_file:
                files = [of_file] if of_file else []
                invented[f"{language or 'detected'} {name}"] = {
                    "partials": said.partials,
                    "finals": said.finals,
                    "files": files,
                }
        control = []
        for text, samples in progress.track(sayings, description="control"):
            room = 15 * rng.standard_normal(10 * AUDIO_RATE_HZ + len(samples))
            room[8 * AUDIO_RATE_HZ : 8 * AUDIO_RATE_HZ + len(samples)] += samples
            said = listen(_int16(room), languages[0])
            control.append({"said": text, "heard": " ".join(said.finals), "rejected": dict(said.rejected)})
    write_result(
        args.out,
        "noise",
        {
            "model": args.model,
            "language": args.language or "detected",
            "prompt": args.prompt,
            "vad": args.vad,
            "keyterms": len(keyterms),
            "guards": not args.without_guards,
            "noise_s": round(sum(map(len, sounds.values())) / AUDIO_RATE_HZ, 1),
            "decodes": decodes,
            "rejected": dict(rejected),
            "invented_words_in_finals": _count(invented, "finals"),
            "invented_words_in_partials": _count(invented, "partials"),
            "invented_words_in_files": _count(invented, "files"),
            "invented": invented,
            "short_sayings": len(control),
            "short_sayings_with_a_final": sum(bool(row["heard"]) for row in control),
            "short_sayings_not_heard": [row for row in control if not row["heard"]],
        },
    )


def _count(invented: dict[str, dict[str, list[str]]], kind: str) -> int:
    return sum(len(text.split()) for said in invented.values() for text in said[kind])


if __name__ == "__main__":
    main()
