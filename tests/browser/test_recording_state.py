"""One microphone, shown on every view; texts that outlive their tab. The live path is played."""

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from browser.played import Server, conversation

if TYPE_CHECKING:
    from browser.browsers import Pages
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect

DRAFTS = "Object.keys(localStorage).filter((key) => key.startsWith('draft:')).length"
ASKS = "window.dispatchEvent(new Event('beforeunload', { cancelable: true })) === false"
ROOM = "/#/conversation/team"


def start(page: "Page", server: Server) -> None:
    count = len(server.sockets)
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    assert len(server.sockets) == count + 1


def stop(page: "Page", server: Server) -> None:
    page.click(".talk")
    page.locator("[data-phase=stopping]").wait_for()
    server.send(type="done", reason="stop")
    page.locator("[data-phase=idle]").wait_for(timeout=5000)


def say(page: "Page", server: Server, text: str) -> None:
    """A recording from start to stop."""
    start(page, server)
    server.final(1, text)
    page.locator("[role=log] p", has_text=text).wait_for()
    stop(page, server)


def speak(page: "Page") -> None:
    """Opens the microphone in the open room."""
    page.locator(".talk-foot .button").click()
    page.locator(".talk-foot .button", has_text="Stop speaking").wait_for(timeout=5000)


def is_stored(server: Server) -> bool:
    return parse_qs(urlsplit(server.sockets[-1].url).query).get("store") == ["true"]


def test_the_keep_switch_works_after_a_reload(pages: "Pages") -> None:
    page = pages.blank()
    server = Server(page)
    pages.go(page, "/")
    say(page, server, "Without it.")
    assert not is_stored(server)
    page.click("button[aria-controls=live-options]")
    page.locator("label", has_text="Keep the text in the library").click()
    page.keyboard.press("Escape")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    say(page, server, "Kept.")
    assert is_stored(server), "the options were not opened on this page"
    page.select_option(".rail-foot select", "de")
    page.locator("nav a", has_text="Dateien").wait_for()
    say(page, server, "Behalten.")
    assert is_stored(server), "nor after a change of language"


def test_an_unsaved_text_asks_before_its_tab_closes(pages: "Pages") -> None:
    page = pages.blank()
    server = Server(page)
    pages.go(page, "/")
    assert not page.evaluate(ASKS)
    say(page, server, "Only here.")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.close(run_before_unload=True)
    expect(page.locator(".keys")).to_contain_text("Not in the library")
    assert asked == ["beforeunload"]
    assert page.evaluate(DRAFTS) == 1
    page.click("summary:has-text('Download')")
    pages.download(page, "button:has-text('Plain text')")
    expect(page.locator(".keys")).not_to_contain_text("Not in the library")
    assert not page.evaluate(ASKS)
    assert page.evaluate(DRAFTS) == 0, "what was saved is left in no browser"
    say(page, server, "Once more.")
    assert page.evaluate(ASKS)
    page.click("button:has-text('Clear')")
    assert not page.evaluate(ASKS)
    assert page.evaluate(DRAFTS) == 0
    page.click(".toast button:has-text('Undo')")
    assert page.evaluate(ASKS)
    assert page.evaluate(DRAFTS) == 1


def test_a_kept_text_leaves_nothing_in_the_browser(pages: "Pages") -> None:
    page = pages.blank()
    page.add_init_script("if (location.host) localStorage.setItem('settings', JSON.stringify({ keep: true }));")
    server = Server(page)
    pages.go(page, "/")
    say(page, server, "In the library.")
    page.reload()
    page.locator("[role=log] p", has_text="In the library.").wait_for()
    assert page.evaluate(DRAFTS) == 0
    assert not page.evaluate(ASKS)


def test_the_text_of_a_closed_tab_is_restored_or_discarded(pages: "Pages") -> None:
    page = pages.blank()
    server = Server(page)
    pages.go(page, "/")
    say(page, server, "From the closed tab.")
    page.reload()
    page.locator("[role=log] p", has_text="From the closed tab.").wait_for()
    other = page.context.new_page()
    pages.go(other, "/")
    expect(other.locator(".unsaved-texts"), "that tab is still open").to_be_hidden()
    other.close()
    page.close()

    page = other.context.new_page()
    pages.go(page, "/")
    offer = page.locator(".unsaved-texts li", has_text="From the closed tab.")
    expect(offer).to_contain_text("Unsaved transcript of")
    expect(page.locator(".unsaved-texts")).to_contain_text("in this browser only")
    offer.get_by_role("button", name="Restore").click()
    expect(page.locator("[role=log] p")).to_have_text("From the closed tab.")
    assert page.evaluate(DRAFTS) == 1
    page.close()

    page = other.context.new_page()
    pages.go(page, "/")
    page.locator(".unsaved-texts li").get_by_role("button", name="Discard").click()
    expect(page.locator(".unsaved-texts")).to_be_hidden()
    assert page.evaluate(DRAFTS) == 0
    page.click(".toast button:has-text('Undo')")
    expect(page.locator(".unsaved-texts li")).to_have_count(1)


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_every_view_shows_an_open_microphone(pages: "Pages", phone: bool) -> None:
    page = pages.blank(phone=phone)
    server = Server(page)
    pages.go(page, "/")
    bar = page.get_by_role("group", name="Microphone")
    expect(bar).to_be_hidden()
    before = page.locator(".dock .talk").bounding_box()
    start(page, server)
    assert page.locator(".dock .talk").bounding_box() == before, "the page stands still"
    for view in ("live", "files", "library", "conversation"):
        page.click(f"nav a[data-view={view}]")
        page.locator(f".{view}-page").wait_for()
        page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
        expect(bar).to_be_in_viewport()
        expect(bar).to_contain_text("Recording")
    assert page.evaluate(ASKS)
    expect(page.locator("#recording-status")).to_have_text("Recording")
    bar.get_by_role("button", name="Stop recording").click()
    server.send(type="done", reason="stop")
    expect(bar).to_be_hidden()
    expect(page.locator("#recording-status")).to_have_text("Recording stopped")
    assert not page.evaluate(ASKS)


def test_the_way_to_the_conversation_leads_back_to_the_open_room(pages: "Pages") -> None:
    page = pages.blank()
    server = Server(page)
    conversation(page)
    pages.go(page, ROOM)
    speak(page)
    page.click("nav a[data-view=library]")
    page.locator(".library-page").wait_for()
    bar = page.get_by_role("group", name="Microphone")
    expect(bar).to_contain_text("Recording")
    assert page.evaluate(ASKS)
    page.click("nav a[data-view=conversation]")
    expect(page.locator(".talk-head h1")).to_have_text("team")
    assert page.url.endswith(ROOM)
    page.click("nav a[data-view=files]")
    bar.get_by_role("link").click()
    expect(page.locator(".talk-foot .button")).to_have_text("Stop speaking")
    page.get_by_role("button", name="Big captions", exact=True).click()
    expect(page.get_by_role("button", name="Stop speaking"), "not even there out of sight").to_be_visible()
    page.keyboard.press("Escape")
    page.click(".talk-head a")
    page.locator(".join").wait_for()
    expect(bar, "who leaves the room is not heard in it").to_be_hidden()
    assert len(server.sockets) == 1


def test_live_and_a_conversation_never_record_side_by_side(pages: "Pages") -> None:
    page = pages.blank()
    server = Server(page)
    conversation(page)
    pages.go(page, ROOM)
    speak(page)
    page.click("nav a[data-view=live]")
    page.click(".talk")
    page.locator(".live-page [role=alert]", has_text="already in use on this page").wait_for()
    assert len(server.sockets) == 1
    page.get_by_role("button", name="Stop recording").click()
    server.send(type="done", reason="stop")
    page.click(".live-page button:has-text('Try again')")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    page.click("nav a[data-view=conversation]")
    page.locator(".talk-foot .button").click()
    page.locator(".talk-page [role=alert]", has_text="already in use on this page").wait_for()
    assert len(server.sockets) == 2


def test_speaking_goes_on_when_the_language_of_the_page_changes(pages: "Pages") -> None:
    page = pages.blank()
    server = Server(page)
    conversation(page)
    pages.go(page, ROOM)
    speak(page)
    page.select_option(".rail-foot select", "de")
    expect(page.locator(".talk-foot .button")).to_have_text("Sprechen beenden")
    expect(page.get_by_role("group", name="Mikrofon")).to_contain_text("Aufnahme")
    assert len(server.sockets) == 1


def test_a_microphone_allowed_after_leaving_the_room_stays_closed(pages: "Pages") -> None:
    page = pages.blank()
    page.add_init_script(
        """if (navigator.mediaDevices) {
          const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
          const allowed = new Promise((resolve) => { window.allow = resolve; });
          navigator.mediaDevices.getUserMedia = async (constraints) => {
            await allowed;
            window.stream = await ask(constraints);
            return window.stream;
          };
        }"""
    )
    Server(page)
    conversation(page)
    pages.go(page, ROOM)
    page.locator(".talk-foot .button").click()
    expect(page.locator(".talk-foot .button")).to_be_disabled()
    page.click(".talk-head a")
    page.locator(".join").wait_for()
    page.evaluate("allow()")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.stream.getTracks().map((track) => track.readyState)") == ["ended"]


def test_the_clock_runs_while_compressed_sound_is_sent(pages: "Pages") -> None:
    page = pages.blank()
    page.add_init_script("if (location.host) localStorage.setItem('settings', JSON.stringify({ thin: true }));")
    server = Server(page)
    pages.go(page, "/")
    start(page, server)
    expect(page.locator(".clock")).to_have_text("0:01", timeout=5000)
    expect(page.get_by_role("timer")).to_have_text("0:02", timeout=5000)
