"""Random HTTP requests, malformed ones among them, and random WebSocket queries and messages, at a started suite."""

import asyncio
import json
import random
import tempfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import websockets
from support.process_suite import Suite, running_suite

from fuzz.mutate import mutated
from fuzz.recordings import recordings
from fuzz.report import HANG, INTERNAL, SERVER_ERROR, Tally
from fuzz.suite import look_for_damage
from stt_cli.up.embedded_redis import EmbeddedRedis
from stt_shared.contracts.errors import ERRORS

HANG_S = 60.0
_WEBSOCKET_SHARE = 0.1
_TEXTS = (
    *(
        "",
        "a",
        "0",
        "1",
        "-1",
        "1e99",
        "1.5",
        "NaN",
        "null",
        "true",
        "auto",
        "en",
        "xx",
        "job",
        "live",
        "\0",
        "%",
        "%00",
    ),
    *(
        "\u202e",
        "\uffff",
        "é",
        "日本",
        "😀" * 50,
        "'",
        '"',
        "\\",
        "{",
        "[",
        "(",
        "*",
        "a OR b",
        "NEAR",
        "../../etc/passwd",
    ),
    *("2026-01-31", "2026-13-45", "2026-01-31T25:61:61Z", "0001-01-01", "9999-12-31T23:59:59+99:99"),
    *(" " * 199, "x" * 201, "x" * 3000, "\u0301" * 100, "9" * 30, "9007199254740993", "pcm_s16le", "webm", "opus"),
)
_JOB_PARAMETERS = ("language", "task", "prompt", "x", "")
_SEARCH_PARAMETERS = ("query", "filename", "from", "to", "language", "kind", "cursor", "limit", "x")
_STREAM_PARAMETERS = (
    *("sample_rate", "encoding", "channels", "language", "task", "prompt", "interim_results"),
    *("endpointing", "endpointing_ms", "endpointing_max_ms"),
    *("conversation_id", "speaker", "store", "session_id", "framing", "resume_token", "last_event", "committed_ms"),
    *("finals", "start_ms", "x"),
)
_HEADERS = (
    *("Content-Type", "Content-Length", "Transfer-Encoding", "Expect", "Host", "Origin", "Range", "If-None-Match"),
    *("Accept", "Idempotency-Key", "Connection", "Upgrade", "X-Forwarded-For", "Cookie", "Last-Event-ID", "X-A"),
)


_GOOD_STREAMS = ("", "encoding=auto", "encoding=webm", "encoding=mulaw&sample_rate=8000", "store=true&encoding=flac")
_ROUTES = (
    *[("POST", "/v1/stt/jobs")] * 5,
    *[("GET", "/v1/stt/transcripts")] * 3,
    *[("GET", "/v1/stt/jobs/ID"), ("DELETE", "/v1/stt/jobs/ID"), ("POST", "/v1/stt/jobs/ID/cancel")],
    *[("GET", f"/v1/stt/jobs/ID/result.{kind}") for kind in ("srt", "vtt", "x")],
    *[("GET", "/v1/stt/jobs/ID/events"), ("GET", "/v1/stt/transcripts/ID"), ("PATCH", "/v1/stt/transcripts/ID")],
    *[("DELETE", "/v1/stt/transcripts/ID"), ("GET", "/v1/stt/transcripts/ID/export.txt")],
    *[("GET", path) for path in ("/v1/stt/conversations/ID", "/health", "/health/live", "/metrics", "/openapi.json")],
    *[("GET", path) for path in ("/", "/assets/ID/ID", "/api/stt/healthcheck", "/v1/stt/stream", "/ID", "//")],
)


async def fuzz_requests(count: int, seed: int, tally: Tally, concurrency: int = 8) -> None:
    """Start a suite and send ``count`` requests; the same seed sends the same ones, in a similar order."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis() as redis:
        async with running_suite(Path(folder), redis.url, MAX_JOBS_PER_CLIENT="0") as suite:
            numbers = iter(range(count))
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(_send_some(suite, numbers, seed, tally))
            await look_for_damage(suite, tally)


async def _send_some(suite: Suite, numbers: Iterator[int], seed: int, tally: Tally) -> None:
    client = _Client(suite, tally)
    async with httpx2.AsyncClient(trust_env=False, timeout=HANG_S) as http:
        for number in numbers:
            if tally.is_over:
                break
            rng = random.Random(f"request {seed} {number}")
            name = f"{seed}-{number}"
            try:
                async with asyncio.timeout(HANG_S):
                    if rng.random() < _WEBSOCKET_SHARE:
                        await client.websocket(rng, name)
                    elif rng.random() < 0.2:
                        await client.raw(rng, name)
                    else:
                        await client.request(http, rng, name)
            except TimeoutError:
                tally.find(HANG, name, f"no answer within {HANG_S:g} s")


class _Client:
    def __init__(self, suite: Suite, tally: Tally) -> None:
        self._suite = suite
        self._tally = tally
        self._recordings = list(recordings(0.3).values())
        self._jobs = ["unknown"]

    async def request(self, http: httpx2.AsyncClient, rng: random.Random, name: str) -> None:
        """Send a request that an HTTP client can build."""
        method, target, headers, body = self._request(rng)
        try:
            async with http.stream(method, f"{self._suite.url}{target}", headers=headers, content=body) as response:
                text = b""
                async for piece in response.aiter_bytes():
                    text += piece
                    if len(text) > 100_000 or target.endswith("/events"):
                        break  # events of a job may go on
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, ValueError) as error:
            self._tally.count(type(error).__name__)
            return
        self._answered(response.status_code, text, name, f"{method} {target[:200]!r}")
        if response.status_code == 202 and b"job_id" in text:
            self._jobs = [*self._jobs[-50:], json.loads(text)["job_id"]]

    def _request(self, rng: random.Random) -> tuple[str, str, dict[str, str], bytes]:
        job = urllib.parse.quote(rng.choice((*self._jobs, _text(rng))), safe="")
        method, target = rng.choice(_ROUTES)
        target = target.replace("ID", job)
        if (method, target) == ("POST", "/v1/stt/jobs") and rng.random() < 0.4:
            form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n%b\r\n--b--\r\n'
            body = form % mutated(*self._recording(rng))
            return method, target, {"Content-Type": "multipart/form-data; boundary=b"}, body
        if rng.random() < 0.15:
            method = rng.choice(("GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "X"))
        if rng.random() < 0.6:
            names = _JOB_PARAMETERS if "jobs" in target else _SEARCH_PARAMETERS
            target += "?" + random_query(rng, names)
        headers = {}
        if rng.random() < 0.2:
            headers[rng.choice(_HEADERS[4:])] = _header(rng)
        body = b""
        if method in ("POST", "PATCH", "PUT"):
            content_type, body = self._body(rng)
            headers["Content-Type"] = content_type
        return method, target, headers, body

    def _body(self, rng: random.Random) -> tuple[str, bytes]:
        if rng.random() < 0.25:
            value: Any = rng.choice(
                ({"title": _text(rng)}, {"title": 1}, {"title": None}, [], {}, "x", {"title": "\ud800"})
            )
            text = json.dumps(value).encode()
            return "application/json", rng.choice((text, text[:-1], b"[" * 8000, b"\xff\xfe", rng.randbytes(50)))
        boundary = rng.choice(("xYz", "a" * 70, "-", "'", "=_?:,()"))
        body = b"".join(self._part(rng, boundary) for _ in range(rng.choice((0, 1, 1, 1, 2, 5, 70))))
        end = f"--{boundary}--\r\n"
        body += rng.choice((end, end, end, end[:-2], end[:-4], "", "epilogue")).encode()
        if rng.random() < 0.2:
            body = mutated(body, self._recordings, rng)
        kinds = [f"multipart/form-data; boundary={boundary}"] * 6
        return rng.choice((*kinds, f'multipart/form-data; boundary="{boundary}"', "multipart/form-data", "x")), body

    def _part(self, rng: random.Random, boundary: str) -> bytes:
        field = rng.choice(("file", "file", "file", *_JOB_PARAMETERS))
        filename = rng.choice(("a.wav", _text(rng), '"', "%00", "x" * 5000))
        header = f'Content-Disposition: form-data; name="{field}"'
        if field == "file" or rng.random() < 0.1:
            header += f'; filename="{filename}"'
        if rng.random() < 0.1:
            header = rng.choice(("", "X: y", "Content-Disposition: attachment", ": empty", "A" * 5000 + ": b"))
        data = rng.choice((b"", _text(rng).encode(errors="replace"), mutated(*self._recording(rng))))
        return f"--{boundary}\r\n{header}\r\n\r\n".encode(errors="replace") + data + b"\r\n"

    def _recording(self, rng: random.Random) -> tuple[bytes, list[bytes], random.Random]:
        return rng.choice(self._recordings), self._recordings, rng

    async def raw(self, rng: random.Random, name: str) -> None:
        """Send bytes that only look like a request."""
        method, target, headers, body = self._request(rng)
        lines = [
            f"{method} {target} HTTP/{rng.choice(('1.1', '1.1', '1.0', '2', ''))}",
            f"Host: 127.0.0.1:{self._suite.port}",
        ]
        lines += [f"{key}: {value}" for key, value in headers.items()]
        lines += [f"{rng.choice(_HEADERS)}: {_header(rng)}" for _ in range(rng.choice((0, 1, 3)))]
        lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
        request = mutated("\r\n".join(lines).encode("latin-1", "replace"), self._recordings, rng) + body
        reader, writer = await asyncio.open_connection("127.0.0.1", self._suite.port)
        try:
            writer.write(request)
            writer.write_eof()
            answer = await reader.read(100_000)
        except OSError as error:
            self._tally.count(type(error).__name__)
            return
        finally:
            writer.close()
        status = answer[9:12]
        self._answered(int(status) if status.isdigit() else 0, answer, name, repr(request[:300]))

    async def websocket(self, rng: random.Random, name: str) -> None:
        """Open a session or watch a conversation, and send messages of every kind."""
        path = rng.choice(("/v1/stt/stream", "/v1/stt/stream", "/v1/stt/conversations/a", "/api/stt/transcribe"))
        query = random_query(rng, _STREAM_PARAMETERS) if rng.random() < 0.4 else rng.choice(_GOOD_STREAMS)
        url = f"{self._suite.url.replace('http', 'ws', 1)}{path}?{query}"
        outcome = "closed"
        try:
            async with websockets.connect(url, open_timeout=HANG_S, proxy=None) as socket:
                for _ in range(rng.randrange(20)):
                    await socket.send(self._message(rng))
                await socket.send('{"type":"stop"}')
                async with asyncio.timeout(5):
                    async for event in socket:
                        told = json.loads(event)
                        if told.get("type") in ("error", "done"):
                            outcome = told.get("code") or told["type"]
        except TimeoutError:
            outcome = "left"  # not every path has an end of its own
        except websockets.ConnectionClosed as closed:
            outcome = outcome if outcome != "closed" else str(closed.rcvd.code if closed.rcvd else "cut")
        except (websockets.WebSocketException, OSError, ValueError) as error:
            outcome = type(error).__name__
        if outcome in (INTERNAL, "1011", str(ERRORS[INTERNAL].close_code)):
            self._tally.find(INTERNAL, name, f"{outcome} for {url[:300]}")
        else:
            self._tally.count(f"ws {outcome}")

    def _message(self, rng: random.Random) -> str | bytes:
        kinds = ("audio", "finalize", "stop", "keepalive", "close", "idle", "", "\0", _text(rng))
        fields = {
            "type": rng.choice(kinds),
            "chunk": rng.choice(("", "AA==", "A", "!!!", _text(rng))),
            "seq": rng.choice((1, 2, 0, -1, 1.5, None, "x", 2**53 + 1)),
        }
        data = mutated(*self._recording(rng))
        text = json.dumps(fields)
        return rng.choice((text, text, text[:-2], "[" * 70, _text(rng), data, data[:3], rng.randbytes(400)))

    def _answered(self, status: int, body: bytes, name: str, what: str) -> None:
        # 503 with a code says that there is no room; anything else above 499 is the suite's fault.
        refused = status == 503 and (b"at_capacity" in body or b"no_worker" in body)
        if status >= 500 and not refused and status != 501:
            self._tally.find(SERVER_ERROR, name, f"{status} for {what}: {body[:300]!r}")
        else:
            self._tally.count(str(status or "closed"))


def _text(rng: random.Random) -> str:
    return "".join(rng.choice(_TEXTS) for _ in range(rng.choice((1, 1, 1, 2, 3))))


def _header(rng: random.Random) -> str:
    return rng.choice(("chunked", "5", "-1", "100-continue", "x" * 300, "bytes=0-", "null", "é", "a, b", "websocket"))


def random_query(rng: random.Random, names: tuple[str, ...]) -> str:
    """Return a query of some of these parameters, whose values are hardly ever valid."""
    chosen = rng.sample(names, rng.randint(1, min(4, len(names))))
    return "&".join(f"{name}={urllib.parse.quote(_text(rng), safe=rng.choice(('', '{}*&=')))}" for name in chosen)
