"""Clients on bad networks, and bad clients."""

import asyncio
import contextlib
import json
import random
import subprocess
import time
from collections.abc import Callable

import httpx2
import numpy as np
import websockets

from chaos.crowd import Crowd
from chaos.oracle import FRAME_SAMPLES, Speech, speech
from chaos.run import Run, scenario
from chaos.suite import Skip
from chaos.talk import Speak, Talk, converse, speak_raw, speak_sdk

SPOOL_BYTES = 1024 * 1024


# ---- the connection between client and gateway


@scenario("client-cut", short=True)
async def client_cut(run: Run) -> None:
    """Connections of clients are reset in mid-speech; they go on at the other gateway."""

    def cut(crowd: Crowd, talk: Talk) -> None:
        run.suite.front.links[talk.id].cut()

    await _one_by_one(run, cut, every_s=0.15, rounds=150)


@scenario("client-half-open")
async def client_half_open(run: Run) -> None:
    """A connection goes dead without a word: the client finds out, and goes on at the other gateway."""

    def swallow(crowd: Crowd, talk: Talk) -> None:
        run.suite.front.links[talk.id].swallows = True

    await _one_by_one(run, swallow, every_s=0.5, rounds=30)


@scenario("client-away")
async def client_away(run: Run) -> None:
    """A client loses its network for 1 to 30 s, and comes back at the other gateway."""
    longest_s = 3.0 if run.short else 30.0

    def leave(crowd: Crowd, talk: Talk) -> None:
        run.suite.front.kept_out[talk.id] = time.monotonic() + run.rng.uniform(1.0, longest_s)
        run.suite.front.links[talk.id].cut()

    await _one_by_one(run, leave, every_s=0.5, rounds=40)


async def _one_by_one(run: Run, fault: Callable[[Crowd, Talk], None], *, every_s: float, rounds: int) -> None:
    faults: list[tuple[str, float]] = []
    async with run.crowd(speak_sdk) as crowd:
        for _ in range(run.rounds(rounds) + 2):
            await asyncio.sleep(every_s)
            # Twice in one moment of a session's trouble would be once.
            links = run.suite.front.links
            well = [
                talk
                for talk in crowd.mid_speech
                if talk.id in links
                and links[talk.id].ready
                and not links[talk.id].swallows
                and not links[talk.id].client.transport.is_closing()
            ]
            if well:
                talk = run.rng.choice(well)
                faults.append((talk.id, time.monotonic()))
                fault(crowd, talk)
    run.row.faults = run.row.session_faults = len(faults)
    back = [(run.suite.front.ready_after(session_id, at), at) for session_id, at in faults]
    run.row.timings_ms["back"] = [(ready - at) * 1000 for ready, at in back if ready is not None]


# ---- what a client sends, and how it reads


@scenario("chunks-doubled-and-disordered")
async def doubled_and_disordered(run: Run) -> None:
    """Numbered chunks arrive out of order and several times."""

    async def speak(talk: Talk) -> None:
        rng = random.Random(talk.id)
        numbered = list(enumerate(talk.chunks(), 1))
        # Each as far as ten places from its own, one in four twice.
        numbered += rng.sample(numbered, len(numbered) // 4)
        numbered.sort(key=lambda each: each[0] + rng.uniform(0, 10))
        run.row.faults += len(numbered)
        messages = [number.to_bytes(4, "big") + chunk for number, chunk in numbered]
        await converse(talk, [*messages, '{"type":"stop"}'], query="&framing=seq32")

    await _sessions(run, speak)


@scenario("chunks-missing", short=True)
async def missing(run: Run) -> None:
    """Some numbered chunks never arrive: their words alone are missing, and each is reported as a gap."""

    async def speak(talk: Talk) -> None:
        rng = random.Random(talk.id)
        numbered = list(enumerate(talk.chunks(), 1))
        gone = {number for number, _ in rng.sample(numbered[1:-10], 3)}
        talk.speech = _without(talk.speech, gone)
        messages: list[bytes | str] = [n.to_bytes(4, "big") + chunk for n, chunk in numbered if n not in gone]
        await converse(talk, [*messages, '{"type":"stop"}'], query="&framing=seq32")
        run.row.faults += len(gone)
        reported = {number for event in talk.kind("gap") for number in _numbers(event["cause"])}
        if reported != gone:
            run.row.problems.append(f"{talk.id}: chunks {sorted(gone)} are missing, reported are {sorted(reported)}")

    await _sessions(run, speak)


def _without(speech: Speech, gone: set[int]) -> Speech:
    """What is left when chunks of 100 ms, numbered from 1, are taken out: audio that never came takes no time."""
    starts = {
        index: start - 100 * sum((number - 1) * 100 < start for number in gone)
        for index, start in speech.starts_ms.items()
        if start // 100 + 1 not in gone
    }
    pieces = [piece for number, piece in enumerate(_chunks(speech), 1) if number not in gone]
    return Speech(np.concatenate(pieces), starts)


def _chunks(speech: Speech) -> list[np.ndarray]:
    return [speech.samples[at : at + FRAME_SAMPLES] for at in range(0, len(speech.samples), FRAME_SAMPLES)]


def _numbers(cause: str) -> range:
    """Of ``chunks 3 to 5 never came``."""
    numbers = [int(part) for part in cause.split() if part.isdigit()]
    return range(numbers[0], numbers[-1] + 1)


@scenario("slow-reader")
async def slow_reader(run: Run) -> None:
    """A client reads nothing for 8 s, then everything. Long utterances and small buffers: it does stand in the way."""

    async def speak(talk: Talk) -> None:
        run.row.faults += 1
        talk.speech = speech([240, 230], [300, 1000])
        await converse(talk, [*talk.chunks(), '{"type":"stop"}'], unread_s=8.0)

    await _sessions(run, speak, sessions=8)


async def _sessions(run: Run, speak: Speak, sessions: int = 24) -> None:
    """A crowd to which nothing more is done."""
    async with run.crowd(speak, sessions) as crowd:
        run.row.session_faults += len(crowd.mid_speech)
        await asyncio.sleep(0 if run.short else 12 * run.scale)


# ---- bad clients


@scenario("malformed-messages")
async def malformed(run: Run) -> None:
    """Random and malformed messages on many connections; other sessions notice nothing."""
    pids = [replica.pid for replica in run.suite.replicas]
    sent = 0
    answers: dict[str, int] = {}

    async def attack(rng: random.Random, until: float) -> None:
        nonlocal sent
        while time.monotonic() < until:
            query = rng.choice(
                ("", "", "?framing=seq32", "?encoding=webm", "?encoding=mp3", "?encoding=f%00", "?x=y&x=z")
            )
            try:
                async with asyncio.timeout(5), websockets.connect(rng.choice(run.suite.gateway_urls) + query) as ws:
                    # Noise is audio and is taken; the first message that is none ends the session, and those after
                    # it meet a connection that closes.
                    for message in (*noise(rng), *(nonsense(rng) for _ in range(20))):
                        await ws.send(message)
                        sent += 1
                        # Bounded: the question is what it breaks, not whether two cores can be kept busy.
                        await asyncio.sleep(0.0005)
                    await ws.close()
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                code = getattr(getattr(error, "rcvd", None), "code", None)
                name = f"closed {code}" if code else type(error).__name__
                answers[name] = answers.get(name, 0) + 1

    async with run.crowd(speak_raw, sessions=8):
        until = time.monotonic() + (3.0 if run.short else 30.0 * run.scale)
        attackers = [random.Random(run.rng.random()) for _ in range(4)]
        await asyncio.gather(*(attack(rng, until) for rng in attackers))
    run.row.faults += sent
    run.row.notes["answers"] = json.dumps(answers)
    if pids != [replica.pid for replica in run.suite.replicas if replica.runs]:
        run.row.problems.append("a process died of them")


def noise(rng: random.Random) -> list[bytes]:
    """Random bytes: chunks of any length, hardly ever a whole number of samples."""
    return [rng.randbytes(rng.randint(0, 40)) for _ in range(rng.choice((0, 0, 300)))]


def nonsense(rng: random.Random) -> bytes | str:
    """One message that no client should send; some are nearly right."""
    text = rng.choice(
        (
            json.dumps({"type": "audio", "seq": rng.randint(-5, 2**63), "chunk": "AAAA"}),
            json.dumps({"type": "audio", "chunk": "=" * rng.randint(0, 50)}),
            json.dumps({"type": "finalize", "session_id": rng.choice(("a b", "", "x" * 200, "{}"))}),
            '{"type":"keepalive"}',
            '{"type":"' + "stop" * rng.randint(2, 5) + '"}',
            "[" * rng.randint(1, 200),
            '{"type":' * rng.randint(1, 60) + "1",
            '{"type":"audio","chunk":null}',
        )
    )
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randint(0, 3000))
    if kind == 1:
        return text
    letters = list(text)
    for _ in range(rng.randint(1, 3)):
        letters[rng.randrange(len(letters))] = chr(rng.choice((0, 34, 92, 123, 0x7F, 0xD7FF, 0x1F600)))
    return "".join(letters)


@scenario("spool-full")
async def spool_full(run: Run) -> None:
    """No room in the spool folder: a file is refused clearly and leaves nothing behind; live sessions go on."""
    spool = run.suite.spool
    mounted = await asyncio.to_thread(
        subprocess.run,
        ["mount", "-t", "tmpfs", "-o", f"size={SPOOL_BYTES}", "tmpfs", str(spool)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        raise Skip(f"no small file system can be made here: {mounted.stderr.decode().strip()}")
    try:
        async with run.crowd(speak_raw, sessions=8):
            for _ in range(3):
                run.row.faults += 1
                await _post_too_much(run)
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(spool)], check=True)


async def _post_too_much(run: Run) -> None:
    url = run.suite.of("gateway")[0].url.replace("ws://", "http://").replace("/v1/stt/stream", "/v1/stt/jobs")
    async with httpx2.AsyncClient(timeout=20) as client:
        answer = await client.post(url, files={"file": ("long.wav", bytes(3 * SPOOL_BYTES), "audio/wav")})
    error = {}
    with contextlib.suppress(ValueError):
        error = answer.json().get("error", {})
    run.row.notes["answer"] = f"{answer.status_code} {error}"
    if answer.status_code < 400 or not error or error.get("code") == "internal":
        run.row.problems.append(f"a file without room was answered with {answer.status_code} {error}")
    left = [path.name for path in run.suite.spool.iterdir()]
    if left:
        run.row.problems.append(f"left in the spool folder: {left}")
