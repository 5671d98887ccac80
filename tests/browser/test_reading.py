"""What readers of results and of the library find: names, the focus, their place, keys, paper. Routes are played."""

from typing import TYPE_CHECKING

import pytest
from browser.played import Job, Library, conversation

if TYPE_CHECKING:
    from browser.browsers import Pages

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect

FOCUSED = "document.activeElement.textContent"


def test_a_result_has_a_name_the_focus_and_keys_and_is_left_where_it_was_opened(pages: "Pages") -> None:
    page = pages.blank()
    Library(page)
    job = Job(page, ["Perhaps a word."] * 20)
    job.segments[0]["words"][1]["confidence"] = 0.2
    pages.go(page, "/#/files")
    job.open(page)
    assert page.title() == "Untitled 25 Nov 2026.wav · Speech to text"
    assert page.evaluate(FOCUSED) == "Untitled 25 Nov 2026.wav"
    expect(page.locator(".legend")).to_have_text("Words with a dotted underline are uncertain.")
    expect(page.locator(".unsure")).to_have_attribute("title", "Uncertain (confidence 20 %)")
    clock = page.locator(".player time")
    page.wait_for_function("document.querySelector('.player input').max === '20'")
    for key, at in (("ArrowRight", "0:05"), ("ArrowRight", "0:10"), ("ArrowLeft", "0:05"), ("ArrowLeft", "0:00")):
        page.keyboard.press(key)
        expect(clock).to_contain_text(f"{at} /")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.get_by_label("Speed")).to_be_visible()
    page.click(".result summary:has-text('Download')")
    expect(page.locator(".result .menu > div")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    page.emulate_media(media="print")
    for part in (".rail", ".player", ".result-head .row", ".toasts"):
        expect(page.locator(part), part).to_be_hidden()
    expect(page.locator(".words")).to_be_visible()
    page.emulate_media(media="screen", forced_colors="active")
    outline = "getComputedStyle(document.querySelector('nav [aria-current]')).outlineStyle"
    assert page.evaluate(outline) == "solid", "forced colours mark the current view too"
    page.emulate_media(forced_colors="none")
    page.click(".result-head > a")
    expect(page.locator("li[data-phase=completed] .title a")).to_be_focused()
    assert page.title() == "Files · Speech to text"


def test_a_video_shows_its_picture(pages: "Pages") -> None:
    page = pages.blank()
    job = Job(page, ["One sentence."])
    pages.go(page, "/#/files")
    job.add(page, "video/mp4")
    page.click("li[data-phase=completed] a.button")
    expect(page.locator(".player video")).to_be_visible()


def test_what_can_be_expected_of_a_file_is_told(pages: "Pages") -> None:
    page = pages.blank()
    job = Job(page, ["One sentence."])
    job.view |= {"status": "processing", "progress": 40, "estimated_s": 181, "result": None}
    pages.go(page, "/#/files")
    empty = {"name": "zero.wav", "mimeType": "audio/wav", "buffer": b""}
    page.set_input_files(".drop input", files=[empty])  # type: ignore[list-item]
    row = page.locator("li[data-phase=failed]")
    expect(row).to_contain_text("This file is empty.")
    expect(row.get_by_role("button")).to_have_count(1)
    job.choose(page)
    expect(page.locator("li[data-phase=processing]")).to_contain_text("about 3 minutes left")


def test_the_way_back_to_the_library_leads_to_the_same_place(pages: "Pages") -> None:
    page = pages.blank()
    library = Library(page)
    pages.go(page, "/#/library?language=en")
    expect(page.locator(".library-page [role=status]")).to_have_text("The newest 20 transcripts; there are more")
    page.click("text=Show more")
    link = page.locator("li a", has_text="Meeting 28.wav")
    link.scroll_into_view_if_needed()
    at = page.evaluate("window.scrollY")
    link.click()
    page.locator(".words", has_text="Grüße.").wait_for()
    assert page.evaluate("window.scrollY") == 0
    page.click(".result-head > a")
    expect(link).to_be_focused()
    expect(page.locator("li")).to_have_count(30)
    assert page.evaluate("window.scrollY") == at
    assert "language=en" in page.url

    library.state, library.error = "failed", {"code": "bad_audio", "message": "the file is damaged"}
    link.click()
    notice = page.locator(".result .notice")
    expect(notice).to_contain_text("Failed")
    expect(notice).to_contain_text("This audio could not be read.")


def test_a_conversation_is_taken_along(pages: "Pages") -> None:
    page = pages.blank()
    conversation(page)
    pages.go(page, "/#/conversation/minutes")
    page.locator("[role=log] p", has_text="Wonderful").wait_for()
    name, text = pages.download(page, ".talk-head button[aria-label=Download]")
    assert name == "minutes.txt"
    assert text.splitlines()[0] == "Ada: Shall we look at last week first? The long recordings are done, all of them."
    assert len(text.splitlines()) == 4
    expect(page.locator(".talk-head button[aria-label=Copy]")).to_be_enabled()


def test_a_hit_of_the_search_is_shown_and_marked(pages: "Pages") -> None:
    page = pages.blank()
    library = Library(page)
    library.text = f"{'Nothing of it here. ' * 400}Die Straße ist lang, die STRASSE."
    pages.go(page, "/#/library/1?query=strasse")
    page.locator(".words", has_text="Die Straße").wait_for()
    page.wait_for_function("window.scrollY > 1000")
    marked = "[...(CSS.highlights.get('hit') ?? [])].map((range) => range.toString())"
    assert page.evaluate(marked) == ["Straße", "STRASSE"]
    page.click(".result-head > a")
    page.locator("h2", has_text="Nothing found").wait_for()
    assert page.evaluate("CSS.highlights.has('hit')") is False
