"""States of the Live page that a healthy suite does not show: the server is played, the microphone away."""

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from browser.played import READY, Server, no_microphone

if TYPE_CHECKING:
    from browser.browsers import Pages
    from playwright.sync_api import Page, WebSocketRoute

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect


# A wheel turns smoothly: the place is what it is when ten frames have not moved it.
UNTIL_IT_STANDS_STILL = """new Promise((resolve) => {
  const stage = document.querySelector('.stage');
  let at = stage.scrollTop, still = 0;
  const look = () => {
    still = stage.scrollTop === at ? still + 1 : 0;
    at = stage.scrollTop;
    if (still < 10) requestAnimationFrame(look);
    else resolve(at);
  };
  look();
})"""


def listening(pages: "Pages") -> "tuple[Page, Server]":
    page = pages.blank()
    server = Server(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    return page, server


def test_nothing_jumps_when_words_settle(pages: "Pages") -> None:
    page, server = listening(pages)
    server.final(1, "One sentence that is settled already.")
    server.partial(2, "Words that stay", "where they are until the end", start_ms=1000)
    page.locator(".live .word", has_text="end").wait_for()
    page.evaluate("document.fonts.ready.then(() => true)")
    before = page.locator(".live p").bounding_box()
    server.final(2, "Words that stay where they are until the end", start_ms=1000)
    page.locator("[role=log] p").nth(1).wait_for()
    after = page.locator("[role=log] p").nth(1).bounding_box()
    assert before == after


def test_words_that_stay_are_not_drawn_again(pages: "Pages") -> None:
    page, server = listening(pages)
    server.partial(1, "", "ever tried a")
    page.locator(".live .word").nth(2).wait_for()
    page.evaluate("document.querySelectorAll('.live .word').forEach((word, i) => { word.dataset.mine = i; })")
    server.partial(1, "ever tried", "again")
    page.locator(".live .word", has_text="again").wait_for()
    assert page.locator(".live .word[data-mine]").count() == 2
    assert page.locator(".live .unstable").all_inner_texts() == [" again"]


def test_hours_of_captions_stay_bounded(pages: "Pages") -> None:
    page, server = listening(pages)
    for number in range(1, 1201):
        server.final(number, f"Sentence number {number} of a very long evening.", start_ms=number * 3000)
    page.locator("[role=log] p", has_text="number 1200 ").wait_for(timeout=60_000)
    assert page.locator("[role=log] .utterance").count() <= 240
    assert page.evaluate("document.querySelectorAll('*').length") < 1500
    server.partial(1201, "", "and on it goes", start_ms=3_700_000)
    page.locator(".live .word", has_text="goes").wait_for()
    # It follows the newest words, and the text scrolls, not the page.
    page.evaluate(
        "new Promise((there) => (function look() {"
        " const stage = document.querySelector('.stage');"
        " if (stage.scrollHeight - stage.scrollTop - stage.clientHeight < 5) there(true);"
        " else requestAnimationFrame(look); })())"
    )
    assert page.evaluate("document.querySelector('.stage').clientHeight") < 800
    first = page.locator("[role=log] p").first
    shown = first.inner_text()
    page.locator("button", has_text="Show earlier text").click()
    expect(first).not_to_have_text(shown)
    page.locator("button", has_text="Jump to latest").click()
    expect(page.locator("button", has_text="Jump to latest")).to_be_hidden()


def test_a_reader_who_scrolled_up_is_left_alone(pages: "Pages") -> None:
    page, server = listening(pages)
    for number in range(1, 41):
        server.final(number, f"Line {number}.", start_ms=number * 1000)
    page.locator("[role=log] p", has_text="Line 40.").wait_for()
    page.locator(".stage").hover()
    page.mouse.wheel(0, -600)
    page.locator("button", has_text="Jump to latest").wait_for()
    at = page.evaluate(UNTIL_IT_STANDS_STILL)
    server.final(41, "Line 41.", start_ms=41_000)
    page.locator("[role=log] p", has_text="Line 41.").wait_for(state="attached")
    assert page.evaluate("document.querySelector('.stage').scrollTop") == at


def test_a_lost_connection_is_told_and_what_was_said_is_kept(pages: "Pages") -> None:
    page, server = listening(pages)
    server.final(1, "Before.")
    page.locator("[role=log] p", has_text="Before.").wait_for()
    server.is_gone = True
    server.sockets[-1].close(code=1011, reason="gone")
    page.locator(".chip.warn", has_text="of speech kept here").wait_for(timeout=8000)
    expect(page.locator("[role=log] p")).to_have_text("Before.")
    server.is_gone = False
    page.locator(".chip.good").wait_for(timeout=8000)
    assert len(server.sockets) == 2


def test_a_full_server_is_waited_for(pages: "Pages") -> None:
    page = pages.blank()
    refused: list[str] = []
    heard: list[int] = []

    def opened(socket: "WebSocketRoute") -> None:
        if len(refused) < 2:
            refused.append(socket.url)
            full = {"type": "error", "code": "at_capacity", "message": "full", "retryable": True, "retry_after_s": 1}
            socket.send(json.dumps(full))
            socket.close(code=4429, reason="at_capacity")
            return
        # Each frame begins with its number, big-endian.
        socket.on_message(lambda data: heard.append(int.from_bytes(data[:4])) if isinstance(data, bytes) else None)
        socket.send(json.dumps(READY))

    page.route_web_socket("**/v1/stt/stream?**", opened)
    pages.go(page, "/")
    page.click(".talk")
    page.locator(".chip.warn", has_text="The server is full. Waiting for a place").wait_for(timeout=5000)
    page.locator(".chip.good").wait_for(timeout=10_000)
    assert heard[0] == 1, "what was said while waiting is not lost"


def test_nothing_heard_and_nothing_connected_are_told_and_the_options_close(pages: "Pages") -> None:
    page = pages.blank()
    page.add_init_script(
        """navigator.mediaDevices.getUserMedia = async () =>
             new MediaStreamAudioDestinationNode(new AudioContext()).stream;"""
    )
    server = Server(page)
    pages.go(page, "/")
    page.set_viewport_size({"width": 640, "height": 400})
    page.click("button[aria-controls=live-options]")
    panel = page.locator(".panel")
    page.wait_for_function("document.querySelector('.panel').offsetHeight > 300")  # on all of a magnified page
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.click("button[aria-controls=live-options]")
    expect(panel).to_be_visible()
    page.mouse.click(1200, 400)
    expect(panel).to_be_hidden()

    page.click(".talk")
    page.locator(".chip.warn", has_text="No sound is coming in").wait_for(timeout=15_000)
    server.final(1, "Before.", timed=[{"word": "Before.", "start_ms": 0, "end_ms": 300, "confidence": 0.9}])
    page.context.set_offline(True)
    page.locator(".chip.warn", has_text="You are offline").wait_for(timeout=5000)
    page.context.set_offline(False)
    page.click(".live-head summary:has-text('Download')")
    _, text = pages.download(page, ".live-head button:has-text('(.json)')")
    assert json.loads(text)["utterances"][0]["words"][0]["word"] == "Before."


@pytest.mark.parametrize(("permission", "sockets"), [("granted", 1), ("prompt", 0)])
def test_only_who_has_to_be_asked_keeps_the_server_waiting(pages: "Pages", permission: str, sockets: int) -> None:
    page = pages.blank()
    page.add_init_script(
        """if (navigator.mediaDevices) {
          const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
          const given = new Promise((give) => { window.give = give; });
          navigator.mediaDevices.getUserMedia = (constraints) => given.then(() => ask(constraints));
          navigator.permissions.query = () => Promise.resolve({ state: 'PERMISSION' });
        }""".replace("PERMISSION", permission)
    )
    server = Server(page)
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[data-phase=asking]").wait_for()
    page.wait_for_timeout(500)
    assert len(server.sockets) == sockets
    page.evaluate("new Promise((drawn) => { give(); drawn(); })")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    assert len(server.sockets) == 1


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("NotAllowedError", "No access to the microphone"),
        ("NotFoundError", "No microphone found"),
        ("NotReadableError", "The microphone is in use"),
    ],
)
def test_a_microphone_that_does_not_come(pages: "Pages", name: str, title: str) -> None:
    page = pages.blank()
    no_microphone(page, name)
    pages.go(page, "/")
    page.click(".talk")
    page.locator(".problem[role=alert], .problem [role=alert]", has_text=title).wait_for(timeout=5000)
    expect(page.locator(".problem button", has_text="Try again")).to_be_visible()
    expect(page.locator(".dock-state .chip"), "not ready").to_be_hidden()


def test_an_insecure_address_says_what_to_do(pages: "Pages") -> None:
    page = pages.blank()
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false });")
    pages.go(page, "/")
    page.click(".talk")
    page.locator(".problem", has_text="https://").wait_for(timeout=5000)
    expect(page.locator(".problem button"), "trying again cannot help").to_have_count(0)


KEEPS_OFFERS = """
window.offers = [];
const Socket = WebSocket;
window.WebSocket = function (url, protocols) {
  offers.push(protocols);
  return new Socket(url, protocols);
};
window.WebSocket.OPEN = Socket.OPEN;
"""


def test_names_and_terms_are_sent_and_not_in_the_address(pages: "Pages") -> None:
    page = pages.blank()
    server = Server(page)
    page.add_init_script(KEEPS_OFFERS)
    pages.go(page, "/")
    page.click("button[aria-controls=live-options]")
    page.get_by_label("Names and terms").fill("  Ada Lovelace & Söhne \n\nZuse, Konrad")
    page.get_by_label("What it is about").fill(" Early computers ")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    query = parse_qs(urlsplit(server.sockets[-1].url).query)
    assert not {"prompt", "keyterms", "resume_token"} & set(query)
    offered = page.evaluate("offers.at(-1)")[-1].removeprefix("query.")
    sent = parse_qs(base64.urlsafe_b64decode(offered + "=" * (-len(offered) % 4)).decode())
    assert sent["keyterms"] == ["Ada Lovelace & Söhne,Zuse  Konrad"]
    assert sent["prompt"] == ["Early computers"]
    assert len(sent["resume_token"][0]) > 20
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.click("button[aria-controls=live-options]")
    expect(page.get_by_label("Names and terms")).to_have_value("  Ada Lovelace & Söhne \n\nZuse, Konrad")
    expect(page.get_by_label("What it is about")).to_have_value("Early computers")


def test_as_many_names_as_are_allowed_in_any_script(pages: "Pages") -> None:
    page = pages.open()
    page.click("button[aria-controls=live-options]")
    for label, most in (("Names and terms", "2000"), ("What it is about", "1000")):
        expect(page.get_by_label(label)).to_have_attribute("maxlength", most)
    page.get_by_label("Names and terms").fill(("\u6570" * 19 + "\n") * 100)
    page.get_by_label("What it is about").fill("\u6570" * 1000)
    page.click(".talk")
    page.locator(".dock-state .good").wait_for(timeout=5000)
    page.click(".talk")
    page.locator("[data-phase=idle]").wait_for(timeout=15_000)


def test_the_readers_language_is_chosen_and_changed_in_mid_speech(pages: "Pages") -> None:
    page = pages.blank(locale="fr-FR")
    server = Server(page)
    pages.go(page, "/")
    expect(page.locator(".empty h1")).to_have_text("Parlez, lisez en direct.")
    assert page.evaluate("document.documentElement.lang") == "fr"
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    server.final(1, "Bonjour.")
    page.locator("[role=log] p").wait_for()
    page.select_option(".rail-foot select", "de")
    page.locator("nav a", has_text="Dateien").wait_for()
    expect(page.locator("[role=log] p")).to_have_text("Bonjour.")
    server.final(2, "Encore.", start_ms=2000)
    page.locator("[role=log] p", has_text="Encore.").wait_for()
    assert len(server.sockets) == 1, "the session went on"


def test_languages_are_those_that_the_server_reports_and_until_then_the_chosen_one(pages: "Pages") -> None:
    def requested(listed: list[str]) -> list[str]:
        page.click("button[aria-controls=live-options]")
        expect(page.get_by_label("Spoken language").locator("option")).to_have_text(listed)
        page.keyboard.press("Escape")
        page.click(".talk")
        page.locator("[data-phase=live]").wait_for(timeout=5000)
        return parse_qs(urlsplit(server.sockets[-1].url).query)["language"]

    page = pages.blank()
    page.add_init_script("if (location.host) localStorage.setItem('settings', '{\"language\": \"de\"}');")
    page.route("**/health", lambda route: route.abort())
    server = Server(page)
    pages.go(page, "/")
    assert requested(["Detect automatically", "German"]) == ["de"]
    page.unroute("**/health")
    page.reload()
    page.locator(".server", has_text="tiny.en").wait_for()
    assert requested(["Detect automatically", "English"]) == ["auto"]


def test_two_channels_are_sent_apart_and_shown_side_by_side(pages: "Pages") -> None:
    page = pages.blank()
    server = Server(page)
    page.add_init_script(
        "if (location.host) localStorage.setItem('settings', JSON.stringify({ apart: true, speakers: true }));"
    )
    pages.go(page, "/")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    query = parse_qs(urlsplit(server.sockets[0].url).query)
    assert (query["channels"], query["channel_mode"], query["speakers"]) == (["2"], ["separate"], ["auto"])
    server.partial(1, "", "how are you", channel=0)
    server.partial(1, "", "hello", channel=1)
    expect(page.locator(".live:not([hidden])")).to_have_count(2)
    server.final(1, "Hello.", channel=1, speaker="Speaker 1", speaker_confidence=0.9)
    expect(page.locator("[role=log] .utterance")).to_have_text(["0:00Speaker 1 · Channel 1Hello."])
    expect(page.locator(".live:not([hidden]) p")).to_have_text(["how are you"])


def test_live_text_says_who_speaks_and_is_put_right(pages: "Pages") -> None:
    page = pages.blank()
    server = Server(page)
    pages.go(page, "/")
    page.click("button[aria-controls=live-options]")
    page.get_by_label("Show who speaks").check()
    page.get_by_label("Name known speakers").check()
    page.keyboard.press("Escape")
    page.click(".talk")
    page.locator("[data-phase=live]").wait_for(timeout=5000)
    query = parse_qs(urlsplit(server.sockets[0].url).query)
    assert (query["speakers"], query["known_speakers"]) == (["auto"], ["true"])

    words = [
        {"word": word, "start_ms": at * 300, "end_ms": at * 300 + 250, "confidence": 0.9}
        for at, word in enumerate(["Ever", "tried?", "No."])
    ]
    server.final(1, "Ever tried? No.", speaker="Speaker 1", speaker_confidence=0.9, timed=words)
    server.final(2, "Failed.", start_ms=2000, speaker=None, speaker_confidence=0.0)
    server.final(3, "Again.", start_ms=4000, speaker="Speaker 1", speaker_confidence=0.9)
    voices, lines = page.locator("[role=log] .voice"), page.locator("[role=log] .utterance")
    expect(voices).to_have_text(["Speaker 1", "Speaker 1"])
    turns = [{"word": 0, "speaker": "Speaker 1"}, {"word": 2, "speaker": "Anna <b>"}]
    server.send(
        type="speakers_revised",
        utterances=[{"utterance": 1, "speaker": "Speaker 1", "turns": turns}, {"utterance": 3, "speaker": "Anna <b>"}],
    )
    expect(lines).to_have_text(["0:00Speaker 1Ever tried?Anna <b>No.", "0:02Failed.", "0:04Anna <b>Again."])
    page.select_option(".rail-foot select", "de")
    expect(voices).to_have_text(["Sprecher 1", "Anna <b>", "Anna <b>"])
    page.select_option(".rail-foot select", "en")
    page.click("summary:has-text('Download')")
    text = pages.download(page, "button:has-text('Plain text')")[1]
    assert text.splitlines() == ["Speaker 1: Ever tried?", "Anna <b>: No.", "Failed.", "Anna <b>: Again."]
    page.click("summary:has-text('Download')")
    assert "<v Speaker 1>" in pages.download(page, "button:has-text('Web subtitles')")[1]
