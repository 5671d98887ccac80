"""The page on a suite that wants a key."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.launched_suite import Suite, running_suite

from stt_gateway.keys import commands
from stt_gateway.store.engine import database_url

if TYPE_CHECKING:
    from browser.browsers import Pages, Running
    from playwright.sync_api import Page

# A suite starts, and three people come.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def keyed_suite(data_dir: Path) -> Iterator[Suite]:
    """A suite that asks for a key; what is said in it does not matter."""
    with running_suite(AUTH="keys", DATA_DIR=str(data_dir), WHISPER_ENGINE="instant", VAD="rms") as suite:
        yield suite


@pytest.fixture
def keyed_pages(running_browser: "Running", keyed_suite: Suite) -> Iterator["Pages"]:
    from browser.browsers import Pages

    opened = Pages(running_browser, keyed_suite.url)
    yield opened
    opened.close()


def at_database(folder: Path, command: Callable[..., Any], *arguments: str) -> Any:
    # In a thread, since the driver of the browser has an event loop in this one.
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(command, database_url(None, folder), *arguments).result()


def test_the_page_asks_for_a_key_and_uses_it_for_everything(
    keyed_pages: "Pages", data_dir: Path, recording: Path
) -> None:
    key = at_database(data_dir, commands.create, "page", "stream,jobs,read")
    addresses: list[str] = []
    page = keyed_pages.blank()
    page.on("request", lambda request: addresses.append(request.url))
    page.on("websocket", lambda socket: addresses.append(socket.url))
    keyed_pages.go(page, "/")
    dialog = page.locator("dialog.sign-in")
    dialog.wait_for(timeout=10_000)
    page.keyboard.press("Escape")
    dialog.locator("input").fill(key[:-1] + ("a" if key[-1] != "a" else "b"))
    page.keyboard.press("Enter")
    dialog.locator(".wrong", has_text="does not accept").wait_for(timeout=10_000)
    dialog.locator("input").fill(f" {key} ")
    page.keyboard.press("Enter")
    dialog.wait_for(state="detached", timeout=10_000)

    page.click(".talk")
    # Where nothing has been said, the page is ready again, not stopped.
    page.locator("[role=log] p").first.wait_for(timeout=15_000)
    page.click(".talk")
    page.locator(".chip", has_text="Stopped").wait_for(timeout=15_000)
    page.goto(f"{keyed_pages.url}/#/files")
    page.set_input_files(".drop input", recording)
    page.locator("li[data-phase=completed]").wait_for(timeout=60_000)
    page.goto(f"{keyed_pages.url}/#/library")
    page.locator("main li", has_text=recording.stem).first.wait_for(timeout=10_000)
    page.goto(f"{keyed_pages.url}/#/conversation/board")
    page.locator(".chip.good").first.wait_for(timeout=10_000)
    assert dialog.count() == 0
    assert any("access_token=" in address for address in addresses)
    assert not any(key.rpartition("_")[2] in address for address in addresses)

    # Revoked, it is asked for again; signing out forgets it.
    at_database(data_dir, commands.revoke, key.split("_")[1])
    dialog.wait_for(timeout=15_000)
    other = at_database(data_dir, commands.create, "other", "stream,jobs,read")
    dialog.locator("input").fill(other)
    page.keyboard.press("Enter")
    dialog.wait_for(state="detached", timeout=10_000)
    page.locator(".rail-foot button", has_text="Sign out").click()
    dialog.wait_for(timeout=15_000)
    assert page.evaluate("sessionStorage.getItem('api_key')") is None


def invitation_link(page: "Page", rights: str) -> str:
    """What a dialog of the open conversation gives to whoever has a key."""
    page.locator(".talk-head button", has_text="Invite").click()
    dialog = page.locator("dialog")
    dialog.locator("select").first.select_option(rights)
    dialog.locator("button", has_text="Copy invitation link").click()
    field = dialog.locator("input[readonly]")
    field.wait_for(timeout=10_000)
    link = field.input_value()
    dialog.locator("button", has_text="Close").click()
    dialog.wait_for(state="detached")
    return link


def test_an_invitation_opens_its_conversation_for_somebody_without_a_key(keyed_pages: "Pages", data_dir: Path) -> None:
    key = at_database(data_dir, commands.create, "host", "stream,read")
    host = keyed_pages.blank()
    keyed_pages.go(host, "/#/conversation/board%20%C3%A4")
    host.locator("dialog input").fill(key)
    host.keyboard.press("Enter")
    host.locator(".talk-head .chip.good").wait_for(timeout=15_000)
    links = {rights: invitation_link(host, rights) for rights in ("read", "speak")}
    assert links["read"].startswith(f"{keyed_pages.url}/#/conversation/board%20%C3%A4?invitation=")

    addresses: list[str] = []
    reader, speaker = keyed_pages.blank(), keyed_pages.blank(locale="de-DE")
    for page, rights in ((reader, "read"), (speaker, "speak")):
        page.on("request", lambda request: addresses.append(request.url))
        page.on("websocket", lambda socket: addresses.append(socket.url))
        keyed_pages.go(page, links[rights].removeprefix(keyed_pages.url))
        page.locator(".talk-head .chip.good").wait_for(timeout=15_000)
        assert page.evaluate("location.hash") == "#/conversation/board%20%C3%A4"
        assert page.locator("h1").inner_text() == "board ä"
        # Other views are not offered, and lead back here.
        assert page.locator("#nav a").count() == 1
        # Copy, download and big captions; nobody else is invited.
        assert page.locator(".talk-head .row .button:visible").count() == 3
        page.evaluate("location.hash = '#/library'")
        page.wait_for_function("location.hash.startsWith('#/conversation/board')")
    secrets = [link.partition("invitation=")[2] for link in links.values()]
    assert addresses
    assert not any(secret.rpartition(".")[2] in address for secret in secrets for address in addresses)

    assert reader.locator(".talk-foot").is_hidden()
    speaker.locator(".talk-foot button").click()
    speaker.locator(".talk-foot .chip.good").wait_for(timeout=15_000)
    reader.locator(".said").first.wait_for(timeout=30_000)
    speaker.locator(".talk-foot button").click()

    at_database(data_dir, commands.revoke, key.split("_")[1])
    for page, words in ((reader, "no longer valid"), (speaker, "gilt nicht mehr")):
        page.locator("dialog h2", has_text=words).wait_for(timeout=30_000)
