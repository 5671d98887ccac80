"""Speakers of a stored transcript: named, merged and corrected by their reader, on the real suite."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser.stored import stored
from support.launched_suite import Suite

if TYPE_CHECKING:
    from browser.browsers import Pages

pytestmark = pytest.mark.browser


def test_speakers_are_named_merged_and_corrected(pages: "Pages", suite: Suite, recording: Path) -> None:
    transcript = stored(suite, recording)
    count = len(transcript["segments"])
    page = pages.open(f"/#/library/{transcript['id']}")
    voices = page.locator(".words .voice")
    voices.nth(count - 1).wait_for()
    assert voices.all_inner_texts() == ["Speaker 1"] * 2 + ["Speaker 2"] * (count - 2)

    voices.first.click()
    page.get_by_label("Name of the person").fill("Anna <b>")
    page.keyboard.press("Enter")
    page.locator(".words .voice", has_text="Anna <b>").nth(1).wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Anna <b>", "the name keeps the focus"

    voices.last.click()
    page.get_by_label("Name of the person").fill("Anna <b>")
    page.get_by_role("button", name="Save").click()
    page.locator(".toast", has_text="is another speaker here").wait_for()
    page.keyboard.press("Escape")
    page.locator(".speaker-form").wait_for(state="detached")

    voices.last.click()
    page.locator(".speaker-form summary", has_text="Only this passage").click()
    page.get_by_role("button", name="Somebody else").click()
    page.locator(".words .voice", has_text="Speaker 3").wait_for()
    assert voices.all_inner_texts() == ["Anna <b>"] * 2 + ["Speaker 2"] * (count - 3) + ["Speaker 3"]

    voices.nth(2).click()
    page.locator(".speaker-form summary", has_text="Same person as").click()
    page.get_by_role("button", name="Anna <b>", exact=True).click()
    page.locator(".words .voice", has_text="Anna <b>").nth(count - 2).wait_for()
    page.click("summary:has-text('Download')")
    text = pages.download(page, "button:has-text('Plain text')")[1]
    assert [line.split(":")[0] for line in text.splitlines()] == ["Anna <b>", "Speaker 3"]

    page.reload()
    voices.nth(count - 1).wait_for()
    assert voices.all_inner_texts() == ["Anna <b>"] * (count - 1) + ["Speaker 3"]
    pages.go(page, "/#/library?query=anna")
    page.locator("li mark", has_text="Anna").first.wait_for()
