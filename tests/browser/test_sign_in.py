"""The page on a suite where people sign in at an OpenID provider, a real one."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.launched_suite import Suite, running_suite
from support.openid import PAGE, Provider, openid_provider
from support.path_proxy import path_proxy

if TYPE_CHECKING:
    from browser.browsers import Pages, Running
    from playwright.sync_api import Page

# A suite and a provider start, and tokens expire.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

TOKEN_S = 4
UNRENEWED = "ben"
"""Who gets no refresh token, and signs in again."""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with openid_provider(tokenSeconds=TOKEN_S, unrenewed=UNRENEWED) as running:
        yield running


@pytest.fixture(scope="module")
def signed_suite(provider: Provider) -> Iterator[Suite]:
    """A suite where people sign in; what is said in it does not matter."""
    settings = {"AUTH": "oidc", "OIDC_ISSUER": provider.url, "OIDC_CLIENT_ID": PAGE, "OIDC_SCOPES": "stream,jobs,read"}
    with running_suite(**settings, WHISPER_ENGINE="instant", VAD="rms") as suite:
        yield suite


@pytest.fixture
def signed_pages(running_browser: "Running", signed_suite: Suite) -> Iterator["Pages"]:
    from browser.browsers import Pages

    opened = Pages(running_browser, signed_suite.url)
    yield opened
    opened.close()


def sign_in(page: "Page", name: str) -> None:
    """What somebody does in the dialog and in the provider's window."""
    dialog = page.locator("dialog.sign-in")
    dialog.locator("button.main").wait_for(timeout=60_000)
    with page.expect_popup() as opened:
        dialog.locator("button.main").click()
    window = opened.value
    window.locator("button.login-submit").wait_for(timeout=15_000)
    # The provider remembers who has signed in there.
    if window.locator("input[name=login]").count():
        window.fill("input[name=login]", name)
        window.fill("input[name=password]", "any")
        window.click("button.login-submit")
        window.locator("button", has_text="Continue").wait_for(timeout=15_000)
    window.locator("button", has_text="Continue").click()
    dialog.wait_for(state="detached", timeout=15_000)
    page.wait_for_timeout(500)
    assert window.is_closed()


def kept(page: "Page") -> str:
    """The token that the page uses."""
    return str(page.evaluate("sessionStorage.getItem('api_key')"))


def test_somebody_signs_in_and_stays_signed_in_until_signing_out(
    signed_pages: "Pages", provider: Provider, recording: Path
) -> None:
    addresses: list[str] = []
    page = signed_pages.blank()
    page.on("request", lambda request: addresses.append(request.url))
    page.on("websocket", lambda socket: addresses.append(socket.url))
    with path_proxy(signed_pages.url, "/tools/stt") as url:
        page.goto(f"{url}/")
        sign_in(page, "ann")
        first = kept(page)
        page.click(".talk")
        page.locator("[role=log] p").first.wait_for(timeout=15_000)
        page.wait_for_function("token => sessionStorage.getItem('api_key') !== token", arg=first, timeout=30_000)
        page.click(".talk")
        page.locator(".chip", has_text="Stopped").wait_for(timeout=15_000)
        page.goto(f"{url}/#/files")
        page.set_input_files(".drop input", recording)
        page.locator("li[data-phase=completed]").wait_for(timeout=60_000)
        assert page.locator("dialog").count() == 0
        assert not any(first.rpartition(".")[2] in address for address in addresses)
        page.on("dialog", lambda dialog: dialog.accept())
        page.locator(".rail-foot button", has_text="Sign out").click()
        page.locator("dialog.sign-in").wait_for(timeout=15_000)
        assert page.evaluate("[sessionStorage.getItem('api_key'), sessionStorage.getItem('sign_in')]") == [None, None]
        # In this tab the provider asks again who it is.
        sign_in(page, "eve")
        assert "eve" in str(page.evaluate("sessionStorage.getItem('sign_in')"))


def test_a_recording_goes_on_when_its_speaker_signs_in_again(signed_pages: "Pages") -> None:
    page = signed_pages.blank()
    signed_pages.go(page, "/")
    sign_in(page, UNRENEWED)
    page.click(".talk")
    page.locator("[role=log] p").first.wait_for(timeout=15_000)
    before = kept(page)
    # Ended with the token, it keeps what the microphone hears.
    page.locator(".chip.warn", has_text="kept").wait_for(timeout=90_000)
    sign_in(page, UNRENEWED)
    assert kept(page) != before
    page.locator(".chip", has_text="Connection lost").wait_for(state="detached", timeout=15_000)
    page.click(".talk")
    page.locator(".chip", has_text="Stopped").wait_for(timeout=30_000)
    assert page.locator(".notice.bad:visible").count() == 0
