"""Scripts that do not arrive: the page says so, and goes on by itself when they can be loaded."""

from typing import TYPE_CHECKING

import pytest
from browser.played import Server

if TYPE_CHECKING:
    from browser.browsers import Pages

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect


def test_a_view_opened_offline_opens_when_the_network_is_back(pages: "Pages") -> None:
    page = pages.blank()
    server = Server(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    page.context.set_offline(True)
    page.click("nav a[data-view=files]")
    failed = page.locator(".page > [role=alert]", has_text="This page could not be loaded")
    failed.wait_for()
    expect(page.locator(".live-page")).to_be_hidden()
    page.click("nav a[data-view=live]")
    expect(page.locator(".live-page")).to_be_visible()
    expect(failed).to_have_count(0)
    page.click("nav a[data-view=files]")
    failed.wait_for()
    page.context.set_offline(False)
    page.locator(".files-page h1").wait_for(timeout=10_000)
    expect(failed).to_have_count(0)
    assert len(server.sockets) == 1, "the recording went on"


def test_a_view_whose_script_failed_is_tried_again(pages: "Pages") -> None:
    page = pages.blank()
    pages.go(page, "/")
    # A server that has just been found is a reason to try again by itself.
    page.locator(".server", has_text="Ready").wait_for()
    page.route("**/js/library/view.js**", lambda route: route.abort(), times=2)
    page.click("nav a[data-view=library]")
    again = page.locator(".page > [role=alert] button", has_text="Try again")
    again.click()
    again.click()
    page.locator(".library-page h1").wait_for()


def test_a_page_without_its_scripts_recovers(pages: "Pages") -> None:
    page = pages.blank(locale="de-DE")
    page.route("**/js/router.js", lambda route: route.abort(), times=2)
    page.goto(pages.url)
    page.locator("#load-failed", has_text="nicht vollständig geladen").wait_for()
    page.wait_for_selector("html[data-ready]", timeout=20_000)
    expect(page.locator("#load-failed")).to_be_hidden()
    expect(page.locator(".live-page")).to_be_visible()


def test_texts_that_did_not_arrive_come_later(pages: "Pages") -> None:
    page = pages.blank(locale="de-DE")
    page.route("**/js/i18n/de.js**", lambda route: route.abort(), times=1)
    pages.go(page, "/")
    page.locator("nav a", has_text="Dateien").wait_for(timeout=10_000)
    page.route("**/js/i18n/fr.js**", lambda route: route.abort(), times=1)
    page.select_option(".rail-foot select", "fr")
    page.locator(".toast", has_text="konnte nicht geladen werden").wait_for()
    expect(page.locator(".rail-foot select")).to_have_value("de")
    page.select_option(".rail-foot select", "fr")
    page.locator("nav a", has_text="Fichiers").wait_for()
