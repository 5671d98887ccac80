"""The Live page, on the real suite, with real speech in the microphone."""

import os
import re
import signal
from typing import TYPE_CHECKING

import httpx2
import pytest
from support.launched_suite import Suite
from support.live_client import words
from support.recordings import BECKETT_TEXT

if TYPE_CHECKING:
    from browser.browsers import Pages
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect

EXPECTED = words(BECKETT_TEXT)
LAST_WORD_MS = 15_000


def log_text(page: "Page") -> str:
    return " ".join(page.locator("[role=log] .utterance p").all_inner_texts())


def until_last_word(page: "Page", timeout_ms: float = LAST_WORD_MS) -> None:
    page.locator("[role=log] p", has_text=re.compile("better", re.IGNORECASE)).first.wait_for(timeout=timeout_ms)


def test_words_appear_settle_and_are_right(pages: "Pages") -> None:
    page = pages.open()
    page.click(".talk")
    # Unsettled words are shown as such; screen readers get settled ones only.
    page.locator(".live .word.unstable").first.wait_for(timeout=8000)
    expect(page.locator(".live").first).to_have_attribute("aria-hidden", "true")
    page.locator(".chip.good", has_text="behind").wait_for(timeout=5000)
    until_last_word(page)
    assert words(log_text(page)) == EXPECTED, log_text(page)
    page.click(".talk")
    page.locator(".chip", has_text="Stopped").wait_for(timeout=5000)
    page.click("summary:has-text('Download')")
    name, text = pages.download(page, "button:has-text('Subtitles (.srt)')")
    assert name.endswith(".srt")
    saved = words(" ".join(re.findall(r"^[A-Za-z].*$", text, re.MULTILINE)))
    assert saved == words(log_text(page))
    assert text.startswith("1\n00:00:0")


def test_a_killed_gateway_costs_no_word(pages: "Pages", suite: Suite) -> None:
    page = pages.open()
    page.click(".talk")
    page.locator("[role=log] p").first.wait_for(timeout=8000)
    page.wait_for_timeout(1500)
    (gateway,) = [r for r in httpx2.get(suite.url + "/health").json()["replicas"] if r["service"] == "gateway"]
    os.kill(int(gateway["id"].split("-")[-2]), signal.SIGKILL)
    page.locator(".dock-state .warn").wait_for(timeout=5000)
    until_last_word(page, 40_000)
    assert words(log_text(page)) == EXPECTED, log_text(page)
    page.click(".talk")
    page.locator(".chip", has_text="Stopped").wait_for(timeout=10_000)


def test_compressed_sound(pages: "Pages") -> None:
    page = pages.open()
    page.click("button[aria-controls=live-options]")
    page.locator("label", has_text="compressed").click()
    page.keyboard.press("Escape")
    page.click(".talk")
    until_last_word(page)
    got = words(log_text(page))
    assert len(set(EXPECTED) & set(got)) >= len(set(EXPECTED)) - 1, got
    page.click(".talk")
    page.locator(".chip", has_text="Stopped").wait_for(timeout=10_000)


def test_the_keyboard_does_it_all(pages: "Pages") -> None:
    page = pages.open()
    page.keyboard.press("Space")
    page.locator("[role=log] p").first.wait_for(timeout=8000)
    page.locator("body").press("Space")
    page.locator(".chip", has_text="Paused").wait_for(timeout=5000)
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    before = page.inner_text(".clock")
    page.wait_for_timeout(1200)
    assert page.inner_text(".clock") == before, "nothing is heard while paused"
    page.keyboard.press("Space")
    page.locator(".dock-state .good").wait_for(timeout=5000)
    page.keyboard.press("Alt+KeyE")
    page.keyboard.press("Alt+KeyS")
    page.locator(".chip", has_text="Stopped").wait_for(timeout=10_000)


def test_cleared_text_comes_back(pages: "Pages") -> None:
    page = pages.open()
    page.click(".talk")
    page.locator("[role=log] p").nth(1).wait_for(timeout=8000)
    page.click(".talk")
    page.locator(".chip", has_text="Stopped").wait_for(timeout=5000)
    said = log_text(page)
    page.click("button:has-text('Clear')")
    expect(page.locator("[role=log] p")).to_have_count(0)
    page.click(".toast button")
    page.locator("[role=log] p").nth(1).wait_for()
    assert log_text(page) == said
    page.reload()
    page.locator("[role=log] p").nth(1).wait_for()
    assert log_text(page) == said, "a reload costs nothing"
