#!/usr/bin/env python3
"""The other APIs next to the native one, in one run: latency, word error rate, and memory of their connections.

`latency`: recordings with pauses, in real time in messages of 40 ms, over all of them at once, on the engine that
answers without listening. Measured is from the end of an utterance to its text at the client; all have the same rule
for that end. Twilio and Asterisk are told nothing, so their text is read by a viewer of the conversation, and next to
them stands the native API read by a viewer.

`words`: the same recordings over all of them on a real model. Twilio's mu-law stands beside the native API with mu-law.

`memory`: resident memory of the gateway, of Wyoming its bridge too, for each of 50 connections that talk in real time,
half of whose clients read nothing.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
from common import AUDIO_RATE_HZ, Clip, corpus_folder, running_suite, utterances, write_result
from numpy.typing import NDArray
from pipeline import running_pipeline
from rich.console import Console
from rich.table import Table

# isort: split
# `common` says where these are.
from chaos.dialects.base import Message, speaker
from chaos.dialects.conversational import Freeswitch
from chaos.dialects.silent import mulaw, view
from chaos.dialects.wyoming import bridge
from chaos.oracle import Speech
from chaos.scenarios_dialects import CLIENTS, WYOMING
from chaos.talk import Speak, Talk

from stt_cli.bench.packages import normaliser, word_error_rate

NATIVE, VIEWER, MULAW = "native", "native, read by a viewer", "native, mu-law"
BESIDE = {"twilio": VIEWER, "asterisk": VIEWER}
"""The native API beside which a dialect's latency stands, if it is not plain."""
CHUNK_MS = 40
GAP_S, LAST_S = 1.2, 4.0
FIXED = {"ENDPOINTING": "fixed"}
Samples = NDArray[np.int16]


class Native(Freeswitch):
    """The native protocol, whose events that dialect has too."""

    query = ""

    def target(self, session_id: str) -> str:
        return f"/v1/stt/stream?language=en&endpointing_ms=500&session_id={session_id}{self.query}"


class NativeForViewer(Native):
    """The same in a conversation."""

    def target(self, session_id: str) -> str:
        return f"{super().target(session_id)}&conversation_id={session_id}"


class NativeMulaw(Native):
    """The same in mu-law."""

    query = "&encoding=mulaw"

    def audio(self, chunk: bytes) -> Message:
        return mulaw(chunk)


@dataclass
class Api:
    """One way into the suite, and what it has measured."""

    speak: Speak
    lags_ms: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def apis(port: int) -> AsyncIterator[dict[str, Api]]:
    """yield all APIs of the suite at a port, by name."""
    async with bridge(port, {}) as wyoming:
        native = {NATIVE: speaker(Native), VIEWER: speaker(NativeForViewer, view), MULAW: speaker(NativeMulaw)}
        yield {name: Api(speak) for name, speak in {**native, **CLIENTS, WYOMING: wyoming}.items()}


async def talks(port: int, found: Mapping[str, Api], samples: Samples, name: str) -> dict[str, Talk]:
    """Say the same over all APIs, a little after one another."""
    url = f"ws://127.0.0.1:{port}/v1/stt/stream"
    held = {
        api: Talk(f"{name}-{number}", Speech(samples, {}), url, url, pace=1.0, chunk_ms=CHUNK_MS)
        for number, api in enumerate(found)
    }

    async def one(number: int, api: str) -> None:
        await asyncio.sleep(number * 0.137)
        await found[api].speak(held[api])

    await asyncio.gather(*(one(number, api) for number, api in enumerate(found)))
    for api, talk in held.items():
        if talk.cause or talk.lost or not talk.kind("done"):
            sys.exit(f"error: {api}: {talk.cause or talk.lost or 'no end'}")
    return held


def with_pauses(clips: list[Clip]) -> Samples:
    """The recordings with silence between and after them."""
    gap = np.zeros(round(GAP_S * AUDIO_RATE_HZ), np.int16)
    parts = [part for clip in clips for part in (clip.samples, gap)]
    return np.concatenate([*parts, np.zeros(round(LAST_S * AUDIO_RATE_HZ), np.int16)])


async def latency(clips: list[Clip], rounds: int) -> dict[str, Any]:
    """Lags by API, and what the dialects add to the native API's."""
    samples = with_pauses(clips)
    with running_pipeline(**FIXED) as suite:
        async with apis(suite.port) as found:
            for number in range(rounds):
                held = await talks(suite.port, found, samples, f"latency-{number}")
                arrivals = {api: arrivals_ms(talk) for api, talk in held.items()}
                if len({len(each) for each in arrivals.values()}) > 1:
                    sys.exit(f"error: not as many texts each: { {api: len(each) for api, each in arrivals.items()} }")
                for api, each in arrivals.items():
                    found[api].lags_ms += each
    return {api: _lag_view(found, api) for api in found}


def arrivals_ms(talk: Talk) -> list[float]:
    """When each text came, from the talk's first sample on."""
    return [(at - talk.began) * 1000 for at, event in talk.events if event["type"] == "final"]


def _lag_view(found: Mapping[str, Api], api: str) -> dict[str, Any]:
    beside = BESIDE.get(api, NATIVE)
    added = [own - native for own, native in zip(found[api].lags_ms, found[beside].lags_ms, strict=True)]
    return {
        "texts": len(added),
        "beside": beside,
        "added_p50_ms": round(statistics.median(added), 1),
        "added_p90_ms": round(statistics.quantiles(added, n=10)[-1], 1),
    }


async def words(clips: list[Clip], model: str) -> dict[str, Any]:
    """Word error rates by API, and how many texts are word for word the native API's."""
    normalise = normaliser("en")
    silence = np.zeros(round(LAST_S * AUDIO_RATE_HZ), np.int16)
    with running_suite(WHISPER_MODEL=model, TRANSCRIBER_MAX_SESSIONS="100", **FIXED) as suite:
        port = int(suite.url.rpartition(":")[2])
        async with apis(port) as found:
            for number, clip in enumerate(clips):
                held = await talks(port, found, np.concatenate([clip.samples, silence]), f"words-{number}")
                for api, talk in held.items():
                    said = [spoken["word"] for final in talk.kind("final") for spoken in final["words"]]
                    found[api].texts.append(normalise(" ".join(said)))
    references = [normalise(clip.text) for clip in clips]
    beside = {"twilio": MULAW}
    return {
        api: {
            "word_error_rate": round(word_error_rate(references, each.texts) or 0.0, 4),
            "beside": beside.get(api, NATIVE),
            "same_texts": sum(
                own == native for own, native in zip(each.texts, found[beside.get(api, NATIVE)].texts, strict=True)
            ),
        }
        for api, each in found.items()
    }


async def memory(samples: Samples, connections: int, seconds: float) -> dict[str, Any]:
    """KB of the connections of each API, of which half read nothing."""
    rows: dict[str, Any] = {}
    for api in (NATIVE, *CLIENTS, WYOMING):
        with running_pipeline(**FIXED) as suite:
            async with apis(suite.port) as found:
                processes = [psutil.Process(suite.pids["gateway"])]
                if api == WYOMING:
                    processes += [child for child in psutil.Process().children() if "wyoming" in child.cmdline()]
                await _hold(suite.port, found[api].speak, samples, 10, 5.0)
                before = _resident_kb(processes)
                most = await _hold(suite.port, found[api].speak, samples, connections, seconds, processes)
        rows[api] = round((most - before) / connections, 1)
    return rows


async def _hold(
    port: int,
    speak: Speak,
    samples: Samples,
    connections: int,
    seconds: float,
    processes: list[psutil.Process] | None = None,
) -> float:
    """Talk on so many connections; return the most that the processes held, in KB."""
    url = f"ws://127.0.0.1:{port}/v1/stt/stream"
    cut = samples[: round(seconds * AUDIO_RATE_HZ)]
    name = f"memory-{time.monotonic_ns()}"
    held = [
        Talk(f"{name}-{number}", Speech(cut, {}), url, url, 1.0, unread_s=seconds if number % 2 else 0.0)
        for number in range(connections)
    ]
    speaking = asyncio.gather(*(speak(talk) for talk in held))
    most = 0.0
    while not speaking.done():
        most = max(most, _resident_kb(processes or []))
        await asyncio.sleep(0.25)
    await speaking
    return most


def _resident_kb(processes: list[psutil.Process]) -> float:
    return float(sum(process.memory_info().rss for process in processes)) / 1024


def table(result: dict[str, Any]) -> Table:
    """For people."""
    shown = Table("api", "added p50 / p90 ms", "WER", "same texts", "KB each", box=None, header_style="bold")
    for api in dict.fromkeys(api for part in result.values() for api in part):
        lag, text = result.get("latency", {}).get(api), result.get("words", {}).get(api)
        shown.add_row(
            api,
            f"{lag['added_p50_ms']:.1f} / {lag['added_p90_ms']:.1f}" if lag else "",
            f"{text['word_error_rate']:.1%}" if text else "",
            str(text["same_texts"]) if text else "",
            str(result.get("memory", {}).get(api, "")),
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--only", nargs="+", choices=("latency", "words", "memory"))
    parser.add_argument("--rounds", type=int, default=3, help="of latency")
    parser.add_argument("--recordings", type=int, default=10, help="of a round")
    parser.add_argument("--utterances", type=int, default=20, help="of words")
    parser.add_argument("--model", default="base")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--out")
    args = parser.parse_args()
    folder = corpus_folder(args.corpus)
    parts = args.only or ("latency", "words", "memory")
    result: dict[str, Any] = {}
    short = utterances(folder, "en", args.recordings)
    if "latency" in parts:
        result["latency"] = asyncio.run(latency(short, args.rounds))
    if "words" in parts:
        result["words"] = asyncio.run(words(utterances(folder, "en", args.utterances), args.model))
    if "memory" in parts:
        result["memory"] = asyncio.run(memory(with_pauses(short), args.connections, 20.0))
    Console(stderr=True).print(table(result))
    write_result(args.out, "dialects", {"model": args.model, "connections": args.connections, **result})


if __name__ == "__main__":
    main()
