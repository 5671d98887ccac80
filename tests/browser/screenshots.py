"""Takes the pictures in docs/screenshots: every view, light and dark, on a desk and in a hand.

    PYTHONPATH=tests python -m browser.screenshots docs/screenshots

Needs what the browser tests need. The text on them is played; the recording is real.
"""

import atexit
import functools
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from browser.browsers import Pages, browser
from browser.played import Server, conversation, no_microphone
from playwright.sync_api import Page, Route
from support.launched_suite import running_suite
from support.recordings import beckett_path

from stt_gateway.keys import commands
from stt_gateway.store.engine import database_url

View = Callable[[Pages, Page], None]

SPOKEN = [
    (1200, "Good morning, and thank you all for coming at such short notice."),
    (6400, "Before we begin, I would like to say a word about how we got here."),
    (
        11800,
        "Three years ago this was a sketch on the back of an envelope. Nobody believed it would work, and for a long "
        "time it didn’t.",
    ),
    (19600, "What changed is that we started to listen."),
]


def live(pages: Pages, page: Page) -> None:
    # What was said before is kept text: the clock goes on behind it.
    kept = [
        {"startMs": start_ms, "endMs": end_ms, "text": text, "language": "en", "confidence": 0.9, "words": []}
        for (start_ms, text), end_ms in zip(SPOKEN, [6100, 11300, 19200, 24000], strict=True)
    ]
    page.add_init_script(f"if (location.host) sessionStorage.setItem('live', {json.dumps(json.dumps(kept))});")
    server = Server(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for()
    server.partial(1, "So let me show you what that", "means in practice", start_ms=800)
    page.locator(".live .word", has_text="practice").wait_for()
    page.wait_for_timeout(1500)


def refused(pages: Pages, page: Page) -> None:
    no_microphone(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[role=alert]").wait_for()


def files(pages: Pages, page: Page) -> None:
    pages.go(page, "/#/files")
    page.set_input_files(".drop input", recordings())
    page.locator("li[data-phase=failed]").wait_for(timeout=30_000)
    page.locator("li[data-phase=completed]").nth(1).wait_for(timeout=60_000)


@functools.cache
def recordings() -> list[Path]:
    """They must stay as long as a page plays them."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    paths = [folder / name for name in ("Interview with Ada.wav", "Monday meeting.wav", "notes.txt")]
    for path in paths:
        shutil.copy(beckett_path(), path)
    paths[2].write_text("no sound")
    return paths


def result(pages: Pages, page: Page) -> None:
    files(pages, page)
    page.locator("li[data-phase=completed] a.button").first.click()
    page.locator(".player").wait_for()
    page.wait_for_timeout(600)
    page.locator(".words span", has_text="matter").click()
    page.locator(".words span.now").wait_for()
    page.click("button[aria-label=Pause]")


FOUND_BY_NAME = [
    ("Budget meeting, second round.mp3", "2026-03-12", 3127.0, "en", [[7, 14]]),
    ("Monday meeting.wav", "2026-03-09", 1812.4, "en", [[7, 14]]),
    ("Meeting in Lyon – entretien.m4a", "2026-02-27", 2541.9, "fr", [[0, 7]]),
]
FOUND_BY_WORDS = [
    ("Interview with Ada.wav", "2026-03-04", 2296.0, "en", "… which is why the first meeting of that group took "
     "place in a kitchen, with eleven people around a table for four …"),
    ("Lecture 7, thermodynamics.mp4", "2026-02-18", 5403.2, "en", "… think of it as two gases meeting at a wall that "
     "suddenly is not there any more …"),
]  # fmt: skip


def library(pages: Pages, page: Page) -> None:
    def view(title: str, day: str, duration: float, language: str) -> dict[str, Any]:
        return {
            "id": title, "kind": "job", "state": "completed", "title": title, "filename": title,
            "created_at": f"{day}T10:00:00.000Z", "duration": duration, "language": language, "snippet": None,
            "title_hits": [], "filename_hits": [],
        }  # fmt: skip

    def answer(route: Route) -> None:
        if "query=" in route.request.url:
            found = [
                {**view(*one), "snippet": {"text": text, "hits": [[text.find("meeting"), text.find("meeting") + 7]]}}
                for *one, text in FOUND_BY_WORDS
            ]
        else:
            found = [{**view(*one), "title_hits": hits} for *one, hits in FOUND_BY_NAME]
        route.fulfill(json={"transcripts": found, "next_cursor": None})

    page.route("**/v1/stt/transcripts?**", answer)
    pages.go(page, "/#/library?query=meeting")
    page.locator(".snippet mark").nth(1).wait_for()


def room(pages: Pages, page: Page) -> None:
    conversation(page)
    pages.go(page, "/#/conversation/team-breakfast")
    page.locator("[role=log] p").nth(4).wait_for()


def empty(pages: Pages, page: Page) -> None:
    pages.go(page, "/")
    page.wait_for_timeout(500)


def options(pages: Pages, page: Page) -> None:
    pages.go(page, "/")
    page.click("button[aria-controls=live-options]")
    page.locator(".panel select").first.wait_for()


def captions(pages: Pages, page: Page) -> None:
    room(pages, page)
    page.get_by_role("button", name="Big captions", exact=True).click()
    page.locator(".captions-only").wait_for()


def key(pages: Pages, page: Page) -> None:
    pages.go(page, "/")
    page.locator("dialog.sign-in").wait_for()


def invite(host_key: str, pages: Pages, page: Page) -> None:
    conversation(page)
    pages.go(page, "/#/conversation/team-breakfast")
    page.locator("dialog.sign-in input").fill(host_key)
    page.keyboard.press("Enter")
    page.locator("[role=log] p").nth(4).wait_for()
    page.locator(".talk-head button", has_text="Invite").click()
    dialog = page.locator("dialog")
    dialog.locator("button", has_text="Copy invitation link").click()
    dialog.locator("input[readonly]").wait_for()


VIEWS: dict[str, View] = {
    "start": empty,
    "options": options,
    "live": live,
    "refused": refused,
    "files": files,
    "result": result,
    "library": library,
    "conversation": room,
    "captions": captions,
}


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as spool, tempfile.TemporaryDirectory() as data:
        with running_suite(WHISPER_MODEL="tiny.en", SPOOL_DIR=spool, DATA_DIR=data) as suite:
            take(folder, suite.url, {name: view for name, view in VIEWS.items() if name in names or not names})
    with tempfile.TemporaryDirectory() as data:
        host_key = commands.create(database_url(None, Path(data)), "host", "stream,read")
        views: dict[str, View] = {"key": key, "invite": functools.partial(invite, host_key)}
        with running_suite(AUTH="keys", DATA_DIR=data, WHISPER_ENGINE="instant", VAD="rms") as suite:
            take(folder, suite.url, {name: view for name, view in views.items() if name in names or not names})


def take(folder: Path, url: str, views: dict[str, View]) -> None:
    """Take the pictures of some views of a suite."""
    with browser(beckett_path()) as running:
        for name, view in views.items():
            for dark in (False, True):
                for phone in (False, True):
                    pages = Pages(running, url)
                    page = pages.blank(phone=phone, dark=dark)
                    view(pages, page)
                    page.mouse.move(0, 0)
                    page.wait_for_timeout(300)
                    place = "phone" if phone else "desktop"
                    page.screenshot(path=folder / f"{name}-{place}-{'dark' if dark else 'light'}.png")
                    pages.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
