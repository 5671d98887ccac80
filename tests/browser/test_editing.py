"""The text of a stored transcript, edited by its reader on the real suite."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from browser.barriers import violations
from browser.stored import stored
from support.launched_suite import Suite

if TYPE_CHECKING:
    from browser.browsers import Pages

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect


def test_sentences_are_edited_undone_replaced_and_never_overwritten(
    pages: "Pages", suite: Suite, recording: Path, axe: str
) -> None:
    transcript = stored(suite, recording)
    segments = transcript["segments"]
    at = f"/v1/stt/transcripts/{transcript['id']}"
    http = httpx2.Client(base_url=suite.url, timeout=30, trust_env=False)

    def kept() -> dict[str, Any]:
        whole: dict[str, Any] = http.get(at).json()
        return whole

    page = pages.open(f"/#/library/{transcript['id']}")
    lines = page.locator(".words p")
    lines.nth(len(segments) - 1).wait_for()
    edit = page.get_by_role("button", name="Edit", exact=True)
    edit.click()
    bar = page.get_by_role("group", name="Edit")
    undo, redo = bar.get_by_role("button", name="Undo"), bar.get_by_role("button", name="Redo")
    expect(undo).to_be_disabled()

    # A sentence, by keyboard; its other words keep their times.
    words = segments[0]["words"]
    first = segments[0]["text"].strip()
    page.locator(".pen").first.press("Enter")
    form = page.get_by_label("Edit this sentence", exact=True)
    expect(form).to_be_focused()
    form.fill(f"Quixotic {first}")
    form.press("Enter")
    expect(lines.first).to_have_text(f"Quixotic {first}")
    expect(page.locator(".pen").first).to_be_focused()
    after = kept()
    assert after["segments"][0]["words"][1:] == [{**one, "word": one["word"].strip()} for one in words]
    assert after["text"].startswith("Quixotic ")
    assert http.get(f"{at}/export.txt").text.startswith("Speaker 1: Quixotic ")
    found = http.get("/v1/stt/transcripts?query=quixotic").json()["transcripts"]
    assert after["id"] in [one["id"] for one in found]

    assert not violations(page, axe)

    # Back and forth, also by keys.
    page.keyboard.press("Control+z")
    expect(lines.first).to_have_text(first)
    redo.click()
    expect(lines.first).to_have_text(f"Quixotic {first}")
    undo.click()
    expect(lines.first).to_have_text(first)

    # As a document.
    page.click(".result summary:has-text('Download')")
    name, text = pages.download(page, ".result button:has-text('Markdown without times')")
    assert (name, text.splitlines()[0]) == ("talk.md", "# talk.wav")
    assert f"**Speaker 1** {first}" in text

    # Find and replace.
    bar.get_by_label("Find").fill("ever")
    count = kept()["text"].lower().count("ever")
    expect(bar.get_by_role("status")).to_have_text(f"{count} matches")
    bar.get_by_label("Find").press("Enter")
    assert page.evaluate("getSelection().toString()").lower() == "ever"
    bar.get_by_label("Replace with").fill("Never $&")
    bar.get_by_role("button", name="Replace all").click()
    expect(bar.get_by_role("status")).to_have_text(f"{count} matches")  # each of the new words has it too
    expect(lines.filter(has_text="Never $&").first).to_be_visible()
    assert kept()["text"].count("Never $&") == count
    undo.click()
    expect(lines.filter(has_text="Never $&")).to_have_count(0)

    # Somebody else is first: the reader chooses.
    def others(text: str) -> None:
        change = {"texts": [{"segment": 1, "text": text}], "revision": kept()["revision"]}
        assert http.patch(at, json=change).status_code == 200

    def mine(text: str) -> None:
        lines.first.click()
        form.fill(text)
        form.press("Enter")

    others("Theirs.")
    mine("Mine.")
    dialog = page.get_by_role("dialog", name="Somebody else has changed this transcript")
    dialog.wait_for()
    assert not violations(page, axe)
    dialog.get_by_role("button", name="Apply my change").click()
    expect(lines.first).to_have_text("Mine.")
    expect(lines.nth(1)).to_have_text("Theirs.")
    others("Theirs again.")
    mine("Mine again.")
    dialog.get_by_role("button", name="Discard my change").click()
    expect(lines.nth(1)).to_have_text("Theirs again.")
    expect(lines.first).to_have_text("Mine.")

    unsure = page.locator(".unsure")
    if unsure.count():
        bar.get_by_role("button", name="Next uncertain word").click()
        selected = "({ value, selectionStart, selectionEnd }) => value.slice(selectionStart, selectionEnd)"
        assert form.evaluate(selected) == unsure.first.inner_text()
    http.close()
