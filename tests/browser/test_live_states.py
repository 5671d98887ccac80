"""States of the Live page that a healthy suite does not show: the server is played, the microphone away."""

import json
import time
from typing import TYPE_CHECKING

import pytest
from browser.played import Server

if TYPE_CHECKING:
    from browser.browsers import Pages
    from playwright.sync_api import Page, WebSocketRoute

pytestmark = pytest.mark.browser


def listening(pages: "Pages") -> "tuple[Page, Server]":
    page = pages.blank()
    server = Server(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    return page, server


def test_nothing_jumps_when_words_settle(pages: "Pages") -> None:
    page, server = listening(pages)
    server.final(1, "One sentence that is settled already.")
    server.partial(2, "Words that stay", "where they are until the end", start_ms=1000)
    page.locator(".live .word", has_text="end").wait_for()
    before = page.locator(".live p").bounding_box()
    server.final(2, "Words that stay where they are until the end", start_ms=1000)
    page.locator("[role=log] p").nth(1).wait_for()
    after = page.locator("[role=log] p").nth(1).bounding_box()
    assert before == after


def test_words_that_stay_are_not_drawn_anew(pages: "Pages") -> None:
    page, server = listening(pages)
    server.partial(1, "", "ever tried a")
    page.locator(".live .word").nth(2).wait_for()
    page.evaluate("document.querySelectorAll('.live .word').forEach((word, i) => { word.dataset.mine = i; })")
    server.partial(1, "ever tried", "again")
    page.locator(".live .word", has_text="again").wait_for()
    assert page.locator(".live .word[data-mine]").count() == 2
    assert page.locator(".live .unstable").all_inner_texts() == [" again"]


def test_hours_of_captions_stay_bounded(pages: "Pages") -> None:
    page, server = listening(pages)
    for number in range(1, 1201):
        server.final(number, f"Sentence number {number} of a very long evening.", start_ms=number * 3000)
    page.locator("[role=log] p", has_text="number 1200 ").wait_for(timeout=20_000)
    assert page.locator("[role=log] .utterance").count() <= 240
    assert page.evaluate("document.querySelectorAll('*').length") < 1500
    began = time.monotonic()
    server.partial(1201, "", "and on it goes", start_ms=3_700_000)
    page.locator(".live .word", has_text="goes").wait_for()
    assert time.monotonic() - began < 1.0
    below, tall = page.evaluate(
        "(s => [s.scrollHeight - s.scrollTop - s.clientHeight, s.clientHeight])(document.querySelector('.stage'))"
    )
    assert below < 5, "it follows the newest words"
    assert tall < 800, "the text scrolls, not the page"
    shown = page.locator("[role=log] p").first.inner_text()
    page.locator("button", has_text="Show earlier text").click()
    assert page.locator("[role=log] p").first.inner_text() != shown
    page.locator("button", has_text="To the newest words").click()
    assert page.locator("button", has_text="To the newest words").is_hidden()


def test_a_reader_who_scrolled_up_is_left_alone(pages: "Pages") -> None:
    page, server = listening(pages)
    for number in range(1, 41):
        server.final(number, f"Line {number}.", start_ms=number * 1000)
    page.locator("[role=log] p", has_text="Line 40.").wait_for()
    page.locator(".stage").hover()
    page.mouse.wheel(0, -600)
    page.locator("button", has_text="To the newest words").wait_for()
    at = page.evaluate("document.querySelector('.stage').scrollTop")
    server.final(41, "Line 41.", start_ms=41_000)
    page.locator("[role=log] p", has_text="Line 41.").wait_for(state="attached")
    assert page.evaluate("document.querySelector('.stage').scrollTop") == at


def test_a_lost_connection_is_told_and_what_was_said_is_kept(pages: "Pages") -> None:
    page, server = listening(pages)
    server.final(1, "Before.")
    page.locator("[role=log] p", has_text="Before.").wait_for()
    server.is_gone = True
    server.sockets[-1].close(code=1011, reason="gone")
    page.locator(".chip.warn", has_text="of speech kept here").wait_for(timeout=8000)
    assert page.locator("[role=log] p").inner_text() == "Before."
    server.is_gone = False
    page.locator(".chip.good").wait_for(timeout=8000)
    assert len(server.sockets) == 2


def test_a_full_server_is_told(pages: "Pages") -> None:
    page = pages.blank()

    def full(socket: "WebSocketRoute") -> None:
        socket.send(
            json.dumps({"type": "error", "event": 1, "code": "at_capacity", "message": "full", "retryable": True})
        )
        socket.close(code=4429, reason="at_capacity")

    page.route_web_socket("**/v1/stt/stream?**", full)
    pages.go(page, "/")
    page.click(".talk")
    page.locator(".problem h2", has_text="All places are taken").wait_for(timeout=25_000)
    assert page.locator(".talk").is_enabled()


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("NotAllowedError", "The microphone was refused"),
        ("NotFoundError", "No microphone found"),
        ("NotReadableError", "The microphone is in use"),
    ],
)
def test_a_microphone_that_does_not_come(pages: "Pages", name: str, title: str) -> None:
    page = pages.blank()
    page.add_init_script(
        f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '{name}'));"
    )
    pages.go(page, "/")
    page.click(".talk")
    page.locator(".problem[role=alert], .problem [role=alert]", has_text=title).wait_for(timeout=5000)
    assert page.locator(".problem button", has_text="Try again").is_visible()


def test_an_insecure_address_says_what_to_do(pages: "Pages") -> None:
    page = pages.blank()
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false });")
    pages.go(page, "/")
    page.click(".talk")
    page.locator(".problem", has_text="https://").wait_for(timeout=5000)
    assert page.locator(".problem button").count() == 0, "trying again cannot help"


def test_the_readers_language_is_chosen_and_changed_in_mid_speech(pages: "Pages") -> None:
    page = pages.blank(locale="fr-FR")
    server = Server(page)
    pages.go(page, "/")
    assert page.inner_text(".empty h1") == "Parlez, et lisez."
    assert page.evaluate("document.documentElement.lang") == "fr"
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    server.final(1, "Bonjour.")
    page.locator("[role=log] p").wait_for()
    page.select_option(".rail-foot select", "de")
    page.locator("nav a", has_text="Dateien").wait_for()
    assert page.locator("[role=log] p").inner_text() == "Bonjour."
    server.final(2, "Encore.", start_ms=2000)
    page.locator("[role=log] p", has_text="Encore.").wait_for()
    assert len(server.sockets) == 1, "the session went on"
