"""Servers that a test plays towards the page: the live path, and the routes of stored transcripts."""

import io
import json
import wave
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route, WebSocketRoute

READY = {
    "type": "ready",
    "event": 1,
    "session_id": "s",
    "resume_token": "T",
    "resume_from_seq": 0,
    "resumed": None,
    "config": {},
}


class Server:
    """The live path, played: sends what a test says."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.sockets: list[WebSocketRoute] = []
        self._event = 1
        self.is_gone = False
        page.route_web_socket("**/v1/stt/stream?**", self._opened)

    def _opened(self, socket: "WebSocketRoute") -> None:
        if self.is_gone:
            socket.close(code=1011, reason="gone")
            return
        self.sockets.append(socket)
        socket.on_message(lambda _: None)
        socket.send(json.dumps(READY))

    def send(self, **event: Any) -> None:
        self._event += 1
        self.sockets[-1].send(json.dumps({"session_id": "s", "event": self._event, **event}))

    def partial(self, utterance: int, stable: str, unstable: str, start_ms: int = 0, **more: Any) -> None:
        self.send(
            type="partial",
            utterance=utterance,
            stable=stable,
            unstable=unstable,
            text=f"{stable} {unstable}",
            start_ms=start_ms,
            end_ms=start_ms + 500,
            lag_ms=200,
            **more,
        )

    def final(
        self, utterance: int, text: str, start_ms: int = 0, timed: Sequence[dict[str, Any]] = (), **more: Any
    ) -> None:
        self.send(
            type="final",
            utterance=utterance,
            text=text,
            start_ms=start_ms,
            end_ms=start_ms + 900,
            language="en",
            confidence=0.9,
            words=list(timed),
            **more,
        )


class Library:
    """The routes of stored transcripts, played."""

    def __init__(self, page: "Page", created_at: str = "2026-03-01T10:00:00.000Z") -> None:
        self._created_at = created_at
        self.titles = {str(n): f"Meeting {n}.wav" for n in range(1, 31)}
        self.text = "Grüße."
        self.state = "completed"
        self.error: dict[str, str] | None = None
        self.asked: list[str] = []
        page.route("**/v1/stt/transcripts**", self._answer)
        page.route("**/openapi.json", lambda route: route.fulfill(json={"paths": {"/v1/stt/transcripts": {}}}))

    def _view(self, id: str) -> dict[str, Any]:
        return {
            "id": id, "kind": "job", "state": self.state, "title": self.titles[id], "filename": f"Meeting {id}.wav",
            "created_at": self._created_at, "duration": 61.5, "language": "en", "model": "base",
            "task": "transcribe", "error": self.error, "conversation_id": None, "expires_at": None,
        }  # fmt: skip

    def _answer(self, route: "Route") -> None:
        request = route.request
        path, _, query = request.url.partition("?")
        id = path.rpartition("/")[2]
        self.asked.append(f"{request.method} {id} {query}")
        if request.method == "DELETE":
            del self.titles[id]
            return route.fulfill(status=204)
        if request.method == "PATCH":
            self.titles[id] = request.post_data_json["title"]
            return route.fulfill(json=self._view(id))
        if id != "transcripts":
            segment = {"id": 0, "start": 0.0, "end": 1.0, "text": self.text, "confidence": 0.9, "words": []}
            return route.fulfill(json={**self._view(id), "text": self.text, "segments": [segment]})
        wanted = dict(pair.split("=", 1) for pair in query.split("&") if pair)
        if "query" in wanted:
            return route.fulfill(json={"transcripts": [], "next_cursor": None})
        ids = [id for id in self.titles if wanted.get("filename", "").lower() in self.titles[id].lower()]
        first = int(wanted.get("cursor", "0"))
        hits = [[0, len(wanted["filename"])]] if "filename" in wanted else []
        page = [
            {**self._view(id), "snippet": None, "title_hits": hits, "filename_hits": hits}
            for id in ids[first : first + 20]
        ]
        return route.fulfill(
            json={"transcripts": page, "next_cursor": str(first + 20) if len(ids) > first + 20 else None}
        )


class Job:
    """The routes of one file's job, played: it is done at once.

    ``text``: its sentences, one a second. ``more``: other fields of its result. ``view``: what the server answers.
    """

    ID = "job-1"

    def __init__(self, page: "Page", text: list[str], language: str = "en", **more: Any) -> None:
        self.segments: list[dict[str, Any]] = [
            {
                "id": at,
                "start": float(at),
                "end": at + 0.9,
                "text": sentence,
                "confidence": 0.9,
                "words": [
                    {"word": word, "start": at + 0.1 * n, "end": at + 0.1 * n + 0.1, "confidence": 0.9}
                    for n, word in enumerate(sentence.split())
                ],
            }
            for at, sentence in enumerate(text)
        ]
        self._seconds = len(text)
        self.view: dict[str, Any] = {
            "job_id": self.ID,
            "status": "completed",
            "progress": 100,
            "filename": "Untitled 25 Nov 2026.wav",
            "result": {"language": language, "duration": float(self._seconds), "segments": self.segments, **more},
        }
        page.route("**/v1/stt/jobs", lambda route: route.fulfill(status=202, json={"job_id": self.ID}))
        page.route(f"**/v1/stt/jobs/{self.ID}", lambda route: route.fulfill(json=self.view))
        page.route(f"**/v1/stt/jobs/{self.ID}/events", self._events)

    def _events(self, route: "Route") -> None:
        kind = "end" if self.view["result"] else "progress"
        route.fulfill(content_type="text/event-stream", body=f"event: {kind}\ndata: {json.dumps(self.view)}\n\n")

    def choose(self, page: "Page", kind: str = "audio/wav") -> None:
        """Chooses a silent recording of the text's length on the Files page."""
        file = {"name": self.view["filename"], "mimeType": kind, "buffer": silence(self._seconds)}
        page.set_input_files(".drop input", files=[file])  # type: ignore[list-item]

    def add(self, page: "Page", kind: str = "audio/wav") -> None:
        """The same, and waits until it is done."""
        self.choose(page, kind)
        page.locator("li[data-phase=completed]").wait_for()

    def open(self, page: "Page") -> None:
        self.add(page)
        page.click("li[data-phase=completed] a.button")
        page.locator(".player").wait_for()


def silence(seconds: int) -> bytes:
    """A WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(2 * 8000 * seconds))
    return file.getvalue()


def no_microphone(page: "Page", error: str = "NotAllowedError") -> None:
    """The browser refuses the microphone with this DOMException."""
    page.add_init_script(
        # about:blank may have no devices at all.
        "if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia ="
        f" () => Promise.reject(new DOMException('no', '{error}'));"
    )


def conversation(page: "Page") -> None:
    """A conversation in which some have spoken and one speaks."""
    said = [
        ("Ada", "Shall we look at last week first?"),
        ("Ada", "The long recordings are done, all of them."),
        ("Bob", "Good. I still have two open questions about the subtitles."),
        ("Chiara", "I can take one of those after lunch."),
        ("Bob", "Wonderful, thank you."),
    ]

    def opened(socket: "WebSocketRoute") -> None:
        socket.on_message(lambda _: None)
        socket.send(json.dumps({"type": "following", "conversation_id": "c", "cursor": "-0"}))
        for number, (speaker, text) in enumerate(said, start=1):
            utterance = {
                "type": "utterance", "seq": number, "session_id": speaker, "utterance": number, "speaker": speaker,
                "text": text, "language": "en", "spoken_ms": 1_772_355_600_000 + number * 4000, "cursor": f"e-{number}",
            }  # fmt: skip
            socket.send(json.dumps(utterance))
        socket.send(
            json.dumps(
                {
                    "type": "unsettled",
                    "session_id": "Ada",
                    "utterance": 9,
                    "speaker": "Ada",
                    "text": "Then let us start with the first one",
                    "stable": "Then let us start with",
                    "unstable": "the first one",
                }
            )
        )

    page.route_web_socket("**/v1/stt/conversations/**", opened)
