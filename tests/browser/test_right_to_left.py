"""Arabic and Hebrew are read from right to left on every view."""

import json
from typing import TYPE_CHECKING

import pytest
from browser.played import Job, Library, Server

if TYPE_CHECKING:
    from browser.browsers import Pages
    from playwright.sync_api import Locator, WebSocketRoute

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect

TEXTS = pytest.mark.parametrize("text", ["ميزانية 2026 و API.", "התקציב של 2026 ו-API."], ids=["arabic", "hebrew"])


def direction(words: "Locator") -> str:
    words.wait_for()
    return str(words.evaluate("element => getComputedStyle(element).direction"))


@TEXTS
def test_live_text_runs_right_to_left(pages: "Pages", text: str) -> None:
    page = pages.blank()
    server = Server(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    server.partial(1, *text.split(" ", 1))
    assert direction(page.locator(".live p")) == "rtl"
    server.final(1, text)
    assert direction(page.locator("[role=log] p")) == "rtl"
    server.final(2, "And English left to right.", start_ms=2000)
    assert direction(page.locator("[role=log] p", has_text="English")) == "ltr"


@TEXTS
def test_a_files_text_runs_right_to_left(pages: "Pages", text: str) -> None:
    page = pages.blank()
    job = Job(page, [text], language="ar")
    pages.go(page, "/#/files")
    job.open(page)
    assert direction(page.locator(".words p")) == "rtl"


@TEXTS
def test_stored_text_and_titles_run_right_to_left(pages: "Pages", text: str) -> None:
    page = pages.blank()
    library = Library(page)
    library.titles = {"1": text}
    library.text = text
    pages.go(page, "/#/library")
    title = page.locator(".item .title")
    assert direction(title) == "rtl"
    facts = page.locator(".item .about").bounding_box()
    shown = title.evaluate(
        "element => { const range = document.createRange(); range.selectNodeContents(element);"
        " return range.getBoundingClientRect().left; }"
    )
    assert facts is not None
    assert abs(shown - facts["x"]) < 2, "a title stands above its facts"
    title.locator("a").click()
    assert direction(page.locator(".words p")) == "rtl"
    assert direction(page.locator(".result h1")) == "rtl"


@TEXTS
def test_a_conversation_runs_right_to_left(pages: "Pages", text: str) -> None:
    page = pages.blank()

    def opened(socket: "WebSocketRoute") -> None:
        socket.on_message(lambda _: None)
        socket.send(json.dumps({"type": "following", "conversation_id": "c", "cursor": "-0"}))
        said = {"session_id": "s", "speaker": None, "language": "ar"}
        settled = {"type": "utterance", "seq": 1, "utterance": 1, "text": text, "spoken_ms": 1_772_355_600_000}
        socket.send(json.dumps({**said, **settled, "cursor": "e-1"}))
        stable, unstable = text.split(" ", 1)
        parts = {"text": text, "stable": stable, "unstable": unstable}
        socket.send(json.dumps({**said, "type": "unsettled", "utterance": 2, **parts}))

    page.route_web_socket("**/v1/stt/conversations/**", opened)
    pages.go(page, "/#/conversation/team")
    assert direction(page.locator("[role=log] .said p")) == "rtl"
    assert direction(page.locator(".transcript.live .said p")) == "rtl"
