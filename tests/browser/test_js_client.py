"""The page that client-js/README.md shows, unchanged, in a browser: with real speech in the microphone."""

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from support.launched_suite import Suite
from support.live_client import words
from support.recordings import BECKETT_TEXT

if TYPE_CHECKING:
    from browser.browsers import Pages
    from playwright.sync_api import Route

pytestmark = pytest.mark.browser

CLIENT = Path(__file__).parents[2] / "client-js"
MODULES = "node_modules/stt-client/"


def test_the_example_writes_what_is_said(pages: "Pages", suite: Suite) -> None:
    found = re.search(r"^```html\n(.*?)^```$", (CLIENT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    html = found[1].replace("127.0.0.1:8000", urlsplit(suite.url).netloc)

    def serve(route: "Route") -> None:
        name = route.request.url.split(MODULES)[1]
        route.fulfill(body=(CLIENT / name).read_text(), content_type="text/javascript")

    # In a document of the suite, whose origin it knows, and of which a browser knows that it is local.
    page = pages.blank(bypass_csp=True)
    page.route(f"**/{MODULES}**", serve)
    page.goto(f"{suite.url}/health/live")
    page.set_content(html)
    page.click("#speak")
    page.locator("#text", has_text=re.compile("better", re.IGNORECASE)).wait_for(timeout=30_000)
    page.click("#speak")
    assert words(page.inner_text("#text")) == words(BECKETT_TEXT)
