#!/usr/bin/env python3
"""Word error rate of the live path, and of the same model offline, on the same recordings in the same run.

Live: every utterance is a session of its own, sent in real time in 40 ms chunks and ended with `stop`; its finals are
its text. Offline: faster-whisper's own `transcribe` with beam 5, 30 s windows and no voice filter.
"""

import argparse
import asyncio
import json
import time
from typing import Any

import jiwer
import websockets
from common import AUDIO_RATE_HZ, Clip, corpus_folder, running_suite, utterances, write_result
from faster_whisper import WhisperModel
from rich.progress import Progress
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

CHUNK = AUDIO_RATE_HZ * 40 // 1000


async def live(url: str, clip: Clip, language: str | None) -> dict[str, Any]:
    """One session; the texts of its finals, and how long `done` took after `stop`."""
    query = "?session_id=wer-" + clip.id.replace("/", "-") + (f"&language={language}" if language else "")
    finals: list[str] = []
    async with websockets.connect(url + query, max_size=None) as ws:
        began = time.monotonic()

        async def send() -> float:
            for at in range(0, len(clip.samples), CHUNK):
                delay = began + at / AUDIO_RATE_HZ - time.monotonic()
                if delay > 0:
                    await asyncio.sleep(delay)
                await ws.send(clip.samples[at : at + CHUNK].tobytes())
            await ws.send(json.dumps({"type": "stop"}))
            return time.monotonic()

        sending = asyncio.create_task(send())
        async for message in ws:
            event = json.loads(message)
            if event["type"] == "final":
                finals.append(event["text"])
            elif event["type"] == "error":
                raise RuntimeError(event)
            elif event["type"] == "done":
                break
        flush_s = time.monotonic() - await sending
    return {"text": " ".join(finals), "finals": len(finals), "flush_s": flush_s}


async def all_live(url: str, clips: list[Clip], language: str | None, sessions: int) -> list[dict[str, Any]]:
    """All clips, a few sessions at a time."""
    gate = asyncio.Semaphore(sessions)
    with Progress() as progress:
        bar = progress.add_task("live", total=len(clips))

        async def one(clip: Clip) -> dict[str, Any]:
            async with gate:
                answer = await live(url, clip, language)
            progress.advance(bar)
            return answer

        return await asyncio.gather(*(one(clip) for clip in clips))


def offline(model_folder: str, clips: list[Clip], language: str) -> list[str]:
    """The model's own best, one file at a time."""
    model = WhisperModel(model_folder, device="cpu", compute_type="int8")
    texts = []
    with Progress() as progress:
        for clip in progress.track(clips, description="offline"):
            audio = clip.samples.astype("float32") / 32768.0
            segments, _ = model.transcribe(audio, language=language, beam_size=5, condition_on_previous_text=False)
            texts.append(" ".join(segment.text for segment in segments))
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="base")
    parser.add_argument("--language", default="en")
    parser.add_argument("--detect", action="store_true", help="let the live path detect the language")
    parser.add_argument("--sessions", type=int, default=3, help="at a time")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--out")
    args = parser.parse_args()

    from stt_transcriber.models.store import default_models_dir, resolve

    clips = utterances(corpus_folder(args.corpus), args.language, args.limit)
    with running_suite(WHISPER_MODEL=args.model) as suite:
        answers = asyncio.run(all_live(suite.stream_url, clips, None if args.detect else args.language, args.sessions))
    texts = offline(str(resolve(args.model, default_models_dir())), clips, args.language)

    normalise = EnglishTextNormalizer() if args.language == "en" else BasicTextNormalizer()
    references = [normalise(clip.text) for clip in clips]
    live_wer = jiwer.wer(references, [normalise(answer["text"]) for answer in answers])
    offline_wer = jiwer.wer(references, [normalise(text) for text in texts])
    flushes = sorted(answer["flush_s"] for answer in answers)
    write_result(
        args.out,
        "live_wer",
        {
            "model": args.model,
            "language": args.language,
            "utterances": len(clips),
            "audio_s": round(sum(clip.duration_s for clip in clips), 1),
            "sessions_at_a_time": args.sessions,
            "wer_live_percent": round(100 * live_wer, 2),
            "wer_offline_beam5_percent": round(100 * offline_wer, 2),
            "difference_points": round(100 * (live_wer - offline_wer), 2),
            "empty_live": sum(not answer["text"] for answer in answers),
            "stop_to_done_s": {"p50": round(flushes[len(flushes) // 2], 3), "max": round(flushes[-1], 3)},
        },
    )


if __name__ == "__main__":
    main()
