"""The page below a path of a reverse proxy that removes it, with no setting of the suite."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.launched_suite import Suite
from support.path_proxy import path_proxy

if TYPE_CHECKING:
    from browser.browsers import Pages

pytestmark = pytest.mark.browser


def test_the_page_works_below_a_path(pages: "Pages", suite: Suite, recording: Path) -> None:
    missing: list[str] = []
    page = pages.blank()
    page.on("response", lambda answer: missing.append(answer.url) if answer.status == 404 else None)
    with path_proxy(suite.url, "/tools/stt") as url:
        page.goto(f"{url}/")
        page.wait_for_selector("html[data-ready]", timeout=15_000)
        page.click(".talk")
        page.locator("[role=log] p").first.wait_for(timeout=15_000)
        page.click(".talk")
        page.locator(".chip", has_text="Stopped").wait_for(timeout=10_000)
        page.goto(f"{url}/#/files")
        page.set_input_files(".drop input", recording)
        page.locator("li[data-phase=completed]").wait_for(timeout=60_000)
        page.goto(f"{url}/#/library")
        page.locator("main li", has_text=recording.stem).first.wait_for(timeout=10_000)
        page.goto(f"{url}/#/conversation/board")
        page.locator(".chip.good").first.wait_for(timeout=10_000)
        page.click("a.api")
        page.locator(".opblock-summary-path", has_text="/health/live").first.click()
        page.locator(".try-out button").click()
        page.locator("button.execute").click()
        page.locator(".live-responses-table", has_text="alive").wait_for(timeout=15_000)
    assert missing == []
