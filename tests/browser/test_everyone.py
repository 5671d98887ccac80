"""For everyone: accessibility, small screens, light and dark, quick."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser.barriers import violations
from browser.played import Library, Server, conversation, no_microphone

if TYPE_CHECKING:
    from browser.browsers import Pages

pytestmark = pytest.mark.browser

VIEWS = ["/", "/#/files", "/#/library", "/#/conversation", "/#/conversation/room"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_no_view_has_a_barrier(pages: "Pages", axe: str, phone: bool, dark: bool) -> None:
    page = pages.open(phone=phone, dark=dark)
    found = []
    for view in VIEWS:
        pages.go(page, view)
        page.wait_for_timeout(500)
        found += [f"{view}: {one}" for one in violations(page, axe)]
    assert not found, "\n".join(found)


def test_speaking_and_its_options_have_no_barrier(pages: "Pages", axe: str) -> None:
    page = pages.open()
    page.click(".talk")
    page.locator("[role=log] p").first.wait_for(timeout=8000)
    page.click("button[aria-controls=live-options]")
    page.locator(".panel select").first.wait_for()
    assert not violations(page, axe)
    page.click("button[aria-controls=live-options]")
    page.click("summary:has-text('Download')")
    assert not violations(page, axe)


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_full_views_have_no_barrier(pages: "Pages", axe: str, recording: Path, phone: bool) -> None:
    page = pages.blank(phone=phone, dark=phone)
    Library(page)
    pages.go(page, "/#/library")
    page.locator("li").nth(3).wait_for()
    page.fill("input[type=search]", "meeting")
    page.locator("mark").first.wait_for()
    page.locator("button[aria-label^=Rename]").first.click()
    found = violations(page, axe)
    page.keyboard.press("Escape")
    page.locator("button[aria-label^=Delete]").first.click()
    found += violations(page, axe)
    page.fill("input[type=search]", "nowhere")
    page.locator("h2", has_text="Nothing found").wait_for()
    found += violations(page, axe)
    # Not the one that is being deleted.
    pages.go(page, "/#/library/9")
    page.locator(".words").wait_for()
    found += violations(page, axe)
    pages.go(page, "/#/files")
    page.set_input_files(".drop input", recording)
    page.locator("li[data-phase=completed] a.button").click(timeout=30_000)
    page.locator(".player").wait_for()
    found += violations(page, axe)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_an_open_microphone_and_an_unsaved_text_have_no_barrier(pages: "Pages", axe: str, phone: bool) -> None:
    page = pages.blank(phone=phone, dark=phone)
    server = Server(page)
    conversation(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    server.final(1, "Only here.")
    found = []
    for view in ("live", "files", "library", "conversation"):
        page.click(f"nav a[data-view={view}]")
        page.locator(f".{view}-page").wait_for()
        found += [f"{view}: {one}" for one in violations(page, axe)]
    page.get_by_role("button", name="Stop recording").click()
    server.send(type="done", reason="stop")
    page.click("nav a[data-view=live]")
    page.locator("[data-phase=idle]").wait_for()
    found += violations(page, axe)
    other = page.context.new_page()
    page.close()
    pages.go(other, "/")
    other.locator(".unsaved-texts").wait_for()
    found += violations(other, axe)
    other.locator(".server", has_text="Ready").wait_for()
    other.route("**/js/library/view.js**", lambda route: route.abort(), times=1)
    other.click("nav a[data-view=library]")
    other.locator(".page > [role=alert]").wait_for()
    found += violations(other, axe)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "fr-FR"])
def test_an_open_microphone_fits_the_narrowest_screen(pages: "Pages", locale: str) -> None:
    page = pages.blank(phone=True, locale=locale)
    page.set_viewport_size({"width": 320, "height": 640})
    Server(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    bar = page.locator("#recording-bar")
    assert bar.evaluate("bar => bar.scrollWidth <= bar.clientWidth")
    for target in bar.locator("a, button").all():
        box = target.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24
        assert 0 <= box["x"] <= 320 - box["width"]


def test_a_problem_has_no_barrier(pages: "Pages", axe: str) -> None:
    page = pages.blank(dark=True)
    no_microphone(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[role=alert]").wait_for()
    assert not violations(page, axe)


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_shows_all_of_it(pages: "Pages", view: str) -> None:
    page = pages.open(view, phone=True)
    page.wait_for_timeout(400)
    assert page.evaluate("document.documentElement.scrollWidth") == 390, "nothing sticks out"
    bar = page.locator(".nav").bounding_box()
    assert bar is not None
    assert bar["y"] + bar["height"] == 844, "the navigation is at the thumb"
    small = page.evaluate(
        "[...document.querySelectorAll('a, button, select, input, summary')]"
        ".filter(e => e.checkVisibility() && !e.closest('.unseen, .skip') && e.type !== 'file')"
        ".map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])"
        ".filter(([, r]) => r.height < 24 || r.width < 24).map(([html]) => html)"
    )
    assert not small, "targets are large enough for a finger"


@pytest.mark.parametrize(("width", "locale"), [(320, "de-DE"), (390, "de-DE"), (390, "fr-FR")])
def test_a_narrow_screen_needs_no_sideways_scrolling(pages: "Pages", width: int, locale: str) -> None:
    page = pages.blank(phone=True, locale=locale)
    page.set_viewport_size({"width": width, "height": 640})
    wide = {}
    for view in [*VIEWS, "/#/conversation/a-name-that-is-as-long-as-names-can-be-and-longer"]:
        pages.go(page, view)
        page.wait_for_timeout(400)
        wide[view] = page.evaluate("document.documentElement.scrollWidth")
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[role=log] p").first.wait_for(timeout=8000)
    wide["speaking"] = page.evaluate("document.documentElement.scrollWidth")
    assert set(wide.values()) == {width}, wide


def test_everything_is_reached_by_keyboard(pages: "Pages") -> None:
    page = pages.open()
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.ariaLabel"))
    assert seen[0] == "Skip to content"
    assert {"Live", "Files", "Library", "Conversation", "Start listening", "Microphone and language"} <= set(seen)


@pytest.mark.driver_lacks("the driver cannot give one page of Firefox another colour scheme")
def test_colours_follow_the_system_and_the_switch(pages: "Pages") -> None:
    page = pages.open(dark=True)
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.emulate_media(color_scheme="light")
    page.locator("html[data-theme=light]").wait_for()
    assert page.evaluate(paper) != dark
    page.emulate_media(color_scheme="dark")
    page.locator("html[data-theme=dark]").wait_for()
    assert page.evaluate(paper) == dark
    page.click(".themes")
    page.locator(".themes[aria-label='Theme: light']").wait_for()
    light = page.evaluate(paper)
    assert light != dark
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate(paper) == light
