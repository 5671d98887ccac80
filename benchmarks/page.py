#!/usr/bin/env python3
"""The web app in a real Chromium: from click to first text, its weight, its first paint, and an hour of captions.

Click to text: the real suite and a person who has allowed the microphone before; whenever it is opened, it plays a
recording cut to LEAD_MS before its first voice, another in each browser. The hour: a server played into the page
tells sixty times as fast as people speak; after each part a forced collection, then figures.
"""

import argparse
import gzip
import itertools
import json
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
from common import AUDIO_RATE_HZ, Clip, corpus_folder, running_suite, utterances, write_result
from playwright.sync_api import CDPSession, Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser.browsers import Pages, Running, browser
from browser.played import Server

from stt_gateway.http.pages import web_pages
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES, GatePolicy
from stt_transcriber.models.store import default_models_dir, pull
from stt_transcriber.vad.models import load_vad

VOICE_WINDOWS = 3  # in a row: one alone may be a click
LEAD_MS = 200  # the voice model may hear a voice so late
LEAST_S = 6.0
STEPS = (
    "microphone opened",
    "worklet loaded",
    "sound runs",
    "first samples",
    "socket asked for",
    "socket open",
    "ready",
    "first samples sent",
    "speech_started",
    "partial",
    "painted",
)
"""What happens between click and text, about in this order; from ``partial`` on, only its first text counts."""
UTTERANCE_MS = 3000
SENTENCE = "and so we come to the second question which was asked by many of you before we began"
SPEED = 60
# Milliseconds between frames.
FRAMES = """(count) => new Promise((resolve) => {
  const gaps = [];
  let last = null;
  const step = (now) => {
    if (last !== null) gaps.push(now - last);
    last = now;
    if (gaps.length < count) requestAnimationFrame(step);
    else resolve(gaps);
  };
  requestAnimationFrame(step);
})"""


# The page's rules let no driver evaluate a predicate again and again; a promise is evaluated once.
MEASURED = """(name) => new Promise((found) => (function look() {
  const [entry] = performance.getEntriesByName(name);
  if (entry) found(entry.duration || entry.startTime);
  else setTimeout(look, 20);
})())"""


# Notes when each of STEPS first happens, without a word of it in the page's own scripts.
NOTE_STEPS = """
(() => {
  if (!window.MediaDevices) return;
  const steps = (window.steps = {});
  const note = (step) => { steps[step] ??= performance.now(); };
  addEventListener("click", () => note("click"), true);
  const noteAfter = (kind, method, step) => {
    const call = kind.prototype[method];
    kind.prototype[method] = async function (...given) {
      const made = await call.apply(this, given);
      note(step);
      return made;
    };
  };
  noteAfter(MediaDevices, "getUserMedia", "microphone opened");
  noteAfter(AudioWorklet, "addModule", "worklet loaded");
  window.AudioContext = class extends AudioContext {
    constructor(...given) {
      super(...given);
      this.addEventListener("statechange", () => { if (this.state === "running") note("sound runs"); });
    }
  };
  window.AudioWorkletNode = class extends AudioWorkletNode {
    constructor(...given) {
      super(...given);
      this.port.addEventListener("message", () => note("first samples"));
    }
  };
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      note("socket asked for");
      this.addEventListener("open", () => note("socket open"));
      this.addEventListener("message", ({ data }) => {
        const { type, text } = JSON.parse(data);
        if (type === "partial" && !text) return;
        note(type);
        if (type === "partial") requestAnimationFrame(() => setTimeout(() => note("painted")));
      });
    }
    send(message) {
      if (typeof message !== "string") note("first samples sent");
      super.send(message);
    }
  };
})();
"""


def percentile(values: list[float], share: float) -> float:
    return round(float(np.percentile(values, 100 * share)), 1)


def starting_at_once(clip: Clip, path: Path) -> None:
    """Writes the recording as a WAV from shortly before its first voice: many begin with half a second of breath and
    clicks, in which nobody speaks."""
    windows = clip.samples[: len(clip.samples) // WINDOW_SAMPLES * WINDOW_SAMPLES].astype(np.float32) / np.float32(
        32768
    )
    is_voice = load_vad("silero")().probabilities(windows) >= GatePolicy().onset_probability
    run_together = np.lib.stride_tricks.sliding_window_view(is_voice, VOICE_WINDOWS).all(axis=1)
    first = int(np.argmax(run_together)) * WINDOW_SAMPLES
    samples = clip.samples[max(0, first - LEAD_MS * AUDIO_RATE_HZ // 1000) :]
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(AUDIO_RATE_HZ)
        out.writeframes(samples.tobytes())


def click_to_text(clips: list[Clip], url: str, times: int) -> dict[str, Any]:
    """Each time a fresh page of a fresh person, ``times`` with each recording."""
    by_clip = {}
    steps: list[dict[str, float]] = []
    for clip in clips:
        with tempfile.TemporaryDirectory() as folder:
            microphone = Path(folder) / "speech.wav"
            starting_at_once(clip, microphone)
            with browser(microphone) as running:
                found = from_click(running, url, times)
        by_clip[clip.id] = [round(ms) for ms, _ in found]
        steps += [passed for _, passed in found]
        print(f"{clip.id}: {by_clip[clip.id]} ms", file=sys.stderr)
    shown_ms = [float(ms) for found in by_clip.values() for ms in found]
    return {
        "times": len(shown_ms),
        "p50_ms": percentile(shown_ms, 0.5),
        "p90_ms": percentile(shown_ms, 0.9),
        "steps_p50_ms": {step: percentile([one[step] for one in steps if step in one], 0.5) for step in STEPS},
        "by_recording_ms": by_clip,
    }


def from_click(running: Running, url: str, times: int) -> list[tuple[float, dict[str, float]]]:
    """Each time: click to text, and click to each of STEPS."""
    found = []
    for _ in range(times):
        pages = Pages(running, url)
        page = pages.blank()
        page.context.grant_permissions(["microphone"])
        page.add_init_script(NOTE_STEPS)
        pages.go(page, "/")
        page.click(".talk")
        shown_ms = page.evaluate(MEASURED, "first text")
        passed = page.evaluate("new Promise((drawn) => setTimeout(() => drawn(steps), 100))")
        found.append((shown_ms, {step: at - passed["click"] for step, at in passed.items()}))
        page.click(".talk")
        page.locator("[data-phase=idle]").wait_for(timeout=30_000)
        pages.close()
    return found


def first_paint(running: Running, url: str, times: int) -> dict[str, Any]:
    """First contentful paint, nothing cached."""
    painted_ms = []
    for _ in range(times):
        pages = Pages(running, url)
        page = pages.open()
        painted_ms.append(page.evaluate(MEASURED, "first-contentful-paint"))
        pages.close()
    return {"times": times, "p50_ms": percentile(painted_ms, 0.5), "p90_ms": percentile(painted_ms, 0.9)}


def weight() -> dict[str, Any]:
    """Bytes as they travel (gzip; fonts as they are): all files, and those that opening the first view fetches."""
    pages = web_pages()
    packed = {path: len(page.packed or page.body) for path, page in pages.assets.items()}
    packed["index.html"] = len(pages.index.packed or gzip.compress(pages.index.body))
    kinds = {kind: sum(n for path, n in packed.items() if path.endswith(kind)) for kind in (".js", ".css", ".woff2")}
    return {
        "all_bytes": sum(n for path, n in packed.items() if not path.endswith(".txt")),
        "without_player_bytes": sum(
            n for path, n in packed.items() if not path.endswith((".txt", "files/player.js", "files/peaks.js"))
        ),
        "by_kind_bytes": kinds,
        "files": len(packed),
    }


def fetched(running: Running, url: str) -> dict[str, Any]:
    """What the first view really fetches over the wire."""
    pages = Pages(running, url)
    page = pages.open()
    page.wait_for_load_state("networkidle")
    sizes = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".filter(e => !e.name.includes('/health') && !e.name.includes('openapi')).map(e => e.transferSize)"
    )
    pages.close()
    return {"requests": len(sizes), "bytes": sum(sizes)}


def long_session(running: Running, url: str, minutes: list[int]) -> list[dict[str, Any]]:
    """Captions of an hour, played at SPEED; figures after each of ``minutes`` of speech."""
    pages = Pages(running, url)
    page = pages.blank()
    server = Server(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for()
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")
    tools.send("HeapProfiler.enable")
    figures = [{"minutes": 0, **look(page, tools)}]
    spoken = 0
    for until in minutes:
        count = until * 60_000 // UTTERANCE_MS
        began, from_ = time.monotonic(), spoken
        before = cpu_s(tools)
        while spoken < count:
            spoken += 1
            speak(server, spoken)
            page.wait_for_timeout(max(0, (spoken - from_) * UTTERANCE_MS / SPEED - (time.monotonic() - began) * 1000))
        page.locator("[role=log] p", has_text=f"Sentence {spoken} ").wait_for(timeout=60_000)
        spent = cpu_s(tools) - before
        figures.append(
            {
                "minutes": until,
                "page_cpu_ms_per_caption": round(1000 * spent / (count - from_), 2),
                **look(page, tools, server, spoken),
            }
        )
        print(json.dumps(figures[-1]), file=sys.stderr)
    pages.close()
    return figures


def speak(server: Server, number: int) -> None:
    """A sentence as it comes: three partials that grow and settle, then its final."""
    start_ms = number * UTTERANCE_MS
    words = SENTENCE.split()
    for end in (6, 11, len(words)):
        server.partial(number, " ".join(words[: end - 4]), " ".join(words[end - 4 : end]), start_ms=start_ms)
    server.final(number, f"Sentence {number} of the evening, {SENTENCE}.", start_ms=start_ms)


def cpu_s(tools: CDPSession) -> float:
    """Seconds that the page's main thread has worked."""
    return float(metrics(tools)["TaskDuration"])


def metrics(tools: CDPSession) -> dict[str, float]:
    return {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}


def look(page: Page, tools: CDPSession, server: Server | None = None, spoken: int = 0) -> dict[str, Any]:
    """Size and pace now: elements, heap and nodes after a forced collection, frames while captions go on."""
    for _ in range(2):
        tools.send("HeapProfiler.collectGarbage")
    found = metrics(tools)
    figures: dict[str, Any] = {
        "elements": page.evaluate("document.querySelectorAll('*').length"),
        "dom_nodes": int(found["Nodes"]),
        "js_heap_mb": round(found["JSHeapUsedSize"] / 1e6, 2),
    }
    if server is None:
        return figures
    frames = page.evaluate_handle(f"({{ gaps: ({FRAMES})(120) }})")
    before = cpu_s(tools)
    for turn in itertools.count():
        server.partial(spoken + 1, "so it goes " * (turn % 4), "and on and on", start_ms=spoken * UTTERANCE_MS)
        page.wait_for_timeout(50)
        if turn == 40:
            break
    gaps = frames.evaluate("(held) => held.gaps")
    figures["frame_ms"] = {"p50": percentile(gaps, 0.5), "p95": percentile(gaps, 0.95), "worst": round(max(gaps), 1)}
    figures["page_cpu_ms_per_partial"] = round(1000 * (cpu_s(tools) - before) / 41, 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus")
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--language", default="en")
    parser.add_argument("--recordings", type=int, default=8)
    parser.add_argument("--times", type=int, default=3, help="with each recording")
    parser.add_argument("--minutes", type=int, nargs="*", default=[5, 30, 60])
    parser.add_argument("--out")
    args = parser.parse_args()
    pull(args.model, default_models_dir())
    long_enough = (clip for clip in utterances(corpus_folder(args.corpus), args.language) if clip.duration_s > LEAST_S)
    clips = list(itertools.islice(long_enough, args.recordings))
    result: dict[str, Any] = {"model": args.model, "weight": weight()}
    with tempfile.TemporaryDirectory() as folder, running_suite(WHISPER_MODEL=args.model, SPOOL_DIR=folder) as suite:
        result["click_to_first_text"] = click_to_text(clips, suite.url, args.times)
        microphone = Path(folder) / "speech.wav"
        starting_at_once(clips[0], microphone)
        with browser(microphone) as running:
            result["first_view"] = fetched(running, suite.url)
            result["first_paint"] = first_paint(running, suite.url, args.recordings * args.times)
            result["captions"] = long_session(running, suite.url, args.minutes)
    write_result(args.out, "page", result)


if __name__ == "__main__":
    main()
