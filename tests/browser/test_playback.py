"""The player of a file: in sight, and let go by whoever scrolls. The job is played, the sound is silence."""

from typing import TYPE_CHECKING

import pytest
from browser.played import Job, Library

if TYPE_CHECKING:
    from browser.browsers import Pages
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect

LONG = [f"Sentence number {n} of a recording that is much longer than any screen." for n in range(200)]
Y = "window.scrollY"
NOW = ".words .now"


def opened(pages: "Pages", *, phone: bool = False) -> "Page":
    page = pages.blank(phone=phone)
    Library(page).titles[Job.ID] = "Untitled"
    job = Job(page, LONG)
    pages.go(page, "/#/files")
    job.open(page)
    return page


def play_from(page: "Page", sentence: int) -> None:
    page.locator(".utterance .jump").nth(sentence).evaluate("jump => jump.click()")
    page.locator(f".utterance:nth-child({sentence + 1}) .now").wait_for(timeout=5000)


def is_playing(page: "Page") -> bool:
    return page.locator(".player button[aria-label=Pause]").count() == 1


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_the_player_stays_in_sight(pages: "Pages", phone: bool) -> None:
    page = opened(pages, phone=phone)
    page.evaluate("window.scrollTo(0, 5000)")
    assert page.evaluate(Y) == 5000
    expect(page.locator(".player")).to_be_in_viewport(ratio=1)


def test_one_click_into_the_recording_keeps_the_player(pages: "Pages") -> None:
    page = opened(pages)
    page.locator(".player input[type=range]").click(position={"x": 300, "y": 20})
    expect(page.locator(NOW)).to_be_in_viewport()
    expect(page.locator(".player")).to_be_in_viewport(ratio=1)


def test_playback_follows_until_the_reader_scrolls(pages: "Pages") -> None:
    page = opened(pages)
    play_from(page, 100)
    expect(page.locator(NOW)).to_be_in_viewport()
    pill = page.get_by_role("button", name="Jump to playback")
    expect(pill).to_be_hidden()
    page.mouse.move(600, 500)
    page.mouse.wheel(0, -3000)
    expect(pill).to_be_visible()
    page.wait_for_timeout(300)
    at = page.evaluate(Y)
    spoken = page.locator(NOW).inner_text()
    expect(page.locator(NOW)).not_to_have_text(spoken)
    page.wait_for_timeout(2500)
    assert page.evaluate(Y) == at, "no word takes the reader back"
    expect(pill).to_be_in_viewport()
    pill.click()
    expect(page.locator(NOW)).to_be_in_viewport()
    expect(pill).to_be_hidden()


def test_nothing_scrolls_while_the_slider_is_held(pages: "Pages") -> None:
    page = opened(pages)
    slider = page.locator(".player input[type=range]").bounding_box()
    assert slider is not None
    middle = slider["y"] + slider["height"] / 2
    page.mouse.move(slider["x"] + 20, middle)
    page.mouse.down()
    for share in (0.3, 0.5, 0.8):
        page.mouse.move(slider["x"] + share * slider["width"], middle)
        page.wait_for_timeout(150)
        assert page.evaluate(Y) == 0
    page.mouse.up()
    expect(page.locator(NOW)).to_be_in_viewport()


def test_renaming_while_it_plays_keeps_the_form(pages: "Pages") -> None:
    page = opened(pages)
    page.click("button:has-text('Rename')")
    form = page.locator("form.rename input")
    form.fill("Quarterly")
    play_from(page, 100)
    page.wait_for_timeout(1500)
    expect(form).to_be_in_viewport()
    form.press("Space")
    form.press_sequentially("review")
    expect(form).to_have_value("Quarterly review")
    assert is_playing(page), "a space in a name is a space"


def test_space_plays_and_pauses(pages: "Pages") -> None:
    page = opened(pages)
    assert not is_playing(page)
    page.locator("main").press("Space")
    page.locator(".player button[aria-label=Pause]").wait_for()
    assert page.evaluate(Y) == 0, "it does not scroll"
    page.locator(".player input[type=range]").press("Space")
    page.locator(".player button[aria-label=Play]").wait_for()
    page.locator(".player button[aria-label=Play]").press("Space")
    page.locator(".player button[aria-label=Pause]").wait_for()
