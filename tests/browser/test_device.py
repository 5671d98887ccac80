"""What a device does to the page: it silences the microphone, blocks storage, and lives in a time zone of its own."""

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
from browser.played import Library, Server

if TYPE_CHECKING:
    from browser.browsers import Pages
    from playwright.sync_api import Page, WebSocketRoute

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect

KEEPS_DEVICES = """
window.contexts = [];
window.tracks = [];
window.AudioContext = class extends AudioContext {
  constructor(...options) {
    super(...options);
    contexts.push(this);
  }
};
const devices = navigator.mediaDevices;
const ask = devices.getUserMedia.bind(devices);
devices.getUserMedia = async (constraints) => {
  const stream = await ask(constraints);
  tracks.push(...stream.getTracks());
  return stream;
};
"""
BLOCKS_STORAGE = """
for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, {
    get() {
      throw new DOMException("The operation is insecure.", "SecurityError");
    },
  });
"""
MUTED = "The microphone is muted"
LISTENING = "Listening"


class Acknowledging(Server):
    """Answers all audio, so that the page does not take it for dead, and keeps the text messages."""

    def __init__(self, page: "Page") -> None:
        self.texts: list[str] = []
        super().__init__(page)

    def _opened(self, socket: "WebSocketRoute") -> None:
        super()._opened(socket)
        socket.on_message(self._received)

    def _received(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self.texts.append(message)
        else:
            self.send(type="ack", received_seq=int.from_bytes(message[:4], "big"), committed_ms=0)


@pytest.fixture
def server(pages: "Pages") -> Acknowledging:
    page = pages.blank()
    page.add_init_script(KEEPS_DEVICES)
    return Acknowledging(page)


@pytest.fixture
def listening(pages: "Pages", server: Acknowledging) -> "Page":
    """A page that records, and has its audio contexts and tracks in ``contexts`` and ``tracks``."""
    pages.go(server.page, "/")
    server.page.click(".talk")
    expect(server.page.locator(".chip")).to_contain_text(LISTENING, timeout=5000)
    return server.page


def test_a_halted_microphone_is_reported_and_resumes_when_the_page_is_shown(listening: "Page") -> None:
    chip = listening.locator(".chip")
    listening.evaluate("contexts.at(-1).suspend()")
    expect(chip).to_contain_text(MUTED, timeout=2000)
    listening.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(chip).to_contain_text(LISTENING)
    assert listening.evaluate("contexts.at(-1).state") == "running"


def test_a_halted_microphone_also_resumes_by_itself(listening: "Page") -> None:
    listening.evaluate("contexts.at(-1).suspend()")
    expect(listening.locator(".chip")).to_contain_text(MUTED, timeout=2000)
    expect(listening.locator(".chip")).to_contain_text(LISTENING, timeout=15_000)


def test_a_muted_microphone_is_reported_until_it_is_back(listening: "Page") -> None:
    chip = listening.locator(".chip")
    listening.evaluate("tracks.at(-1).dispatchEvent(new Event('mute'))")
    expect(chip).to_contain_text(MUTED, timeout=2000)
    listening.evaluate("tracks.at(-1).dispatchEvent(new Event('unmute'))")
    expect(chip).to_contain_text(LISTENING)


def test_the_connection_stays_while_the_microphone_is_halted(listening: "Page", server: Acknowledging) -> None:
    listening.evaluate("contexts.at(-1).resume = async () => {}; contexts.at(-1).suspend()")
    expect(listening.locator(".chip")).to_contain_text(MUTED, timeout=2000)
    listening.wait_for_timeout(7000)
    assert '{"type":"keepalive"}' in server.texts


def test_a_page_whose_site_data_is_blocked_works_and_keeps_nothing(pages: "Pages") -> None:
    page = pages.blank()
    page.add_init_script(BLOCKS_STORAGE)
    server = Server(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    server.final(1, "Nothing is stored.")
    expect(page.locator("[role=log] p")).to_contain_text("Nothing is stored.")
    for view, part in (("Files", ".drop"), ("Library", ".search input")):
        page.get_by_role("link", name=view, exact=True).first.click()
        expect(page.locator(part)).to_be_visible()


@pytest.mark.parametrize(
    ("zone", "created_at", "day", "moments"),
    [
        ("Pacific/Honolulu", "2026-01-02T02:00:00.000Z", "2026-01-01", ("2026-01-01T10", "2026-01-02T10")),
        ("Asia/Tokyo", "2026-01-01T23:00:00.000Z", "2026-01-02", ("2026-01-01T15", "2026-01-02T15")),
    ],
)
def test_the_library_filters_by_the_days_that_it_shows(
    pages: "Pages", zone: str, created_at: str, day: str, moments: tuple[str, str]
) -> None:
    page = pages.blank(zone=zone)
    library = Library(page, created_at=created_at)
    pages.go(page, "/#/library")
    expect(page.locator(".item .about").first).to_contain_text(f"{int(day[-2:])} Jan 2026")
    for field in page.locator("input[type=date]").all():
        field.fill(day)
        field.dispatch_event("change")
    page.wait_for_function("location.hash.includes('to=')")
    expect(page.locator(".item").first).to_be_visible()
    asked = parse_qs(library.asked[-1].rpartition(" ")[2])
    assert (asked["from"][0][:13], asked["to"][0][:13]) == moments
