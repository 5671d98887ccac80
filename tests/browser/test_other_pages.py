"""Files and conversations on the real suite; the library's page on answers in the shape that the server gives."""

import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from browser.played import Job, Library, silence
from support.launched_suite import Suite
from support.live_client import words
from support.recordings import BECKETT_TEXT

if TYPE_CHECKING:
    from browser.browsers import Pages
    from playwright.sync_api import Page, Route, WebSocketRoute

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect

EXPECTED = words(BECKETT_TEXT)


def test_three_files_at_once_one_of_them_none(pages: "Pages", recording: Path, tmp_path: Path) -> None:
    names = ["Interview – Ada & Bob.wav", "standup.wav"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(recording.read_bytes() + bytes(2 * number))
    (tmp_path / "notes.txt").write_text("no sound at all")
    page = pages.open("/#/files")
    page.set_input_files(".drop input", [tmp_path / name for name in [*names, "notes.txt"]])
    page.locator("li[data-phase=failed]", has_text="notes.txt").wait_for(timeout=30_000)
    page.locator("li[data-phase=completed]").nth(1).wait_for(timeout=60_000)
    page.locator("li", has_text="Ada & Bob").locator("a.button").click()
    page.locator(".player").wait_for()
    assert words(" ".join(page.locator(".words p").all_inner_texts())) == EXPECTED
    page.locator(".words span", has_text="failed").click()
    page.click("button[aria-label=Pause]")
    page.locator("button[aria-label=Play]").wait_for()
    marked, at = page.locator(".words span", has_text="failed").evaluate(
        "word => (word.click(), [document.querySelector('.words .now').textContent,"
        " Number(document.querySelector('input[type=range]').value)])"
    )
    assert "failed" in marked
    assert 1.0 < at < 4.0, f"the word is heard where it was said, not at {at}"
    page.locator("button[aria-label=Pause]").wait_for()
    page.click("summary:has-text('Download')")
    name, text = pages.download(page, "button:has-text('Web subtitles')")
    assert name == "Interview – Ada & Bob.vtt"
    assert text.startswith("WEBVTT\n\n00:00:")
    page.reload()
    page.locator(".words", has_text="Ever").wait_for()
    page.go_back()
    page.locator("li[data-phase=completed]").nth(1).wait_for()


def test_a_file_is_cancelled_and_tried_again(pages: "Pages", recording: Path) -> None:
    page = pages.blank()
    page.add_init_script(
        "const send = XMLHttpRequest.prototype.send; window.prompts = [];"
        "XMLHttpRequest.prototype.send = function (form) { prompts.push(form.get('prompt')); send.call(this, form); };"
    )
    pending: list[Route] = []
    page.route("**/v1/stt/jobs", lambda route: pending.append(route), times=1)
    pages.go(page, "/#/files")
    page.get_by_label("What it is about").fill("Worstward Ho")
    page.set_input_files(".drop input", recording)
    page.locator("li[data-phase=uploading]").wait_for()
    assert page.evaluate("prompts") == ["Worstward Ho"]
    page.click("button[aria-label^=Cancel]")
    page.locator("li[data-phase=cancelled]").wait_for()
    page.click("button[aria-label^='Try again']")
    page.locator("li[data-phase=completed]").wait_for(timeout=60_000)


def test_two_speak_and_one_watches(pages: "Pages") -> None:
    def join(name: str) -> "Page":
        page = pages.open("/#/conversation/room%20%C3%A4%2F1")
        page.locator(".chip.good").first.wait_for(timeout=5000)
        if name:
            page.fill(".talk-foot input", name)
            page.locator(".talk-foot .button").click()
        return page

    ada = join("Ada")
    ada.locator("[role=log] p").first.wait_for(timeout=10_000)
    bob = join("Bob")
    late = join("")
    for page in (ada, bob, late):
        page.locator("[role=log] p", has_text="better").nth(1).wait_for(timeout=30_000)
    texts = [page.locator("[role=log] .said p").all_inner_texts() for page in (ada, bob, late)]
    assert texts[0] == texts[1] == texts[2]
    assert sorted(words(" ".join(texts[0]))) == sorted(EXPECTED * 2), texts[0]
    assert {"Ada", "Bob"} == set(late.locator("[role=log] .speaker").all_inner_texts())
    colours = {
        late.locator("[role=log] .speaker", has_text=name).first.get_attribute("class") for name in ("Ada", "Bob")
    }
    assert len(colours) == 2
    late.get_by_role("button", name="Big captions", exact=True).click()
    late.locator(".captions-only").wait_for()
    size_px, shown = late.evaluate(
        "[parseFloat(getComputedStyle(document.querySelector('.said p')).fontSize),"
        " document.querySelector('.talk-page').className]"
    )
    assert size_px > 40, shown
    # A full screen that ends within 0.7 s was refused by the system: the captions stay big then.
    late.wait_for_timeout(900)
    late.keyboard.press("Escape")
    late.get_by_role("button", name="Big captions", exact=True).wait_for()


def test_a_watching_page_shows_who_has_spoken_after_all(pages: "Pages") -> None:
    sockets: list[WebSocketRoute] = []

    def opened(socket: "WebSocketRoute") -> None:
        sockets.append(socket)
        socket.on_message(lambda _: None)
        send(type="following", conversation_id="board", cursor="e-0")

    def send(**message: Any) -> None:
        sockets[0].send(json.dumps({"session_id": "desk", **message}))

    def said(number: int, speaker: str) -> None:
        spoken = {"utterance": number, "speaker": speaker, "text": f"Words {number}.", "language": "en"}
        send(type="utterance", seq=number, cursor=f"e-{number}", spoken_ms=1_772_355_600_000 + 4000 * number, **spoken)

    page = pages.blank()
    page.route_web_socket("**/v1/stt/conversations/**", opened)
    pages.go(page, "/#/conversation/board")
    page.locator(".talk-head .chip.good").wait_for()
    for number, speaker in enumerate(("Speaker 1", "Speaker 1", "Speaker 2"), start=1):
        said(number, speaker)
    names, rows = page.locator("[role=log] .speaker"), page.locator("[role=log] .said")
    expect(names).to_have_text(["Speaker 1", "Speaker 2"])
    send(type="speakers_revised", seq=4, cursor="e-4", utterances=[{"utterance": 2, "speaker": "Speaker 2"}])
    expect(names).to_have_text(["Speaker 1", "Speaker 2"])
    expect(rows.nth(1)).to_contain_text("Speaker 2")
    expect(rows.locator("p")).to_have_text(["Words 1.", "Words 2.", "Words 3."])
    said(5, "Speaker 3")
    expect(names).to_have_text(["Speaker 1", "Speaker 2", "Speaker 3"])


def test_a_watching_page_misses_nothing_when_the_gateway_dies(pages: "Pages", suite: Suite) -> None:
    watching = pages.open("/#/conversation/cut-off")
    speaking = pages.open("/#/conversation/cut-off")
    speaking.locator(".chip.good").first.wait_for(timeout=5000)
    speaking.locator(".talk-foot .button").click()
    watching.locator("[role=log] p").nth(1).wait_for(timeout=15_000)
    (gateway,) = [r for r in httpx2.get(suite.url + "/health").json()["replicas"] if r["service"] == "gateway"]
    os.kill(int(gateway["id"].split("-")[-2]), signal.SIGKILL)
    watching.locator(".talk-head .chip.warn").wait_for(timeout=5000)
    watching.locator("[role=log] p", has_text="better").wait_for(timeout=40_000)
    got = words(" ".join(watching.locator("[role=log] .said p").all_inner_texts()))
    assert got == EXPECTED


@pytest.mark.driver_lacks("the driver does not report the bodies of Firefox's requests")
def test_the_library_is_searched_paged_renamed_and_emptied(pages: "Pages") -> None:
    page = pages.blank()
    library = Library(page)
    pages.go(page, "/#/library")
    page.locator("li").nth(19).wait_for()
    page.click("text=Show more")
    page.locator("li").nth(29).wait_for()
    page.fill("input[type=search]", "meeting")
    page.locator("mark", has_text="Meeting").first.wait_for()
    assert "query=meeting" in page.url
    page.locator("button[aria-label='Rename: Meeting 1.wav']").click()
    page.locator("form.rename input").fill("Meeting with Ada")
    page.keyboard.press("Enter")
    page.locator("a", has_text="Meeting with Ada").wait_for()
    assert library.titles["1"] == "Meeting with Ada"
    page.locator("button[aria-label='Delete: Meeting 2.wav']").click()
    page.click(".toast button:has-text('Undo')")
    page.locator("a", has_text="Meeting 2.wav").wait_for()
    assert "2" in library.titles
    with page.expect_response(lambda answer: answer.request.method == "DELETE", timeout=20_000):
        page.locator("button[aria-label='Delete: Meeting 3.wav']").click()
        page.locator("a", has_text="Meeting 3.wav").wait_for(state="detached")
        assert "3" in library.titles, "there is time to undo it"
    assert "3" not in library.titles
    page.locator("a", has_text="Meeting with Ada").click()
    page.locator(".words", has_text="Grüße.").wait_for()
    page.go_back()
    with page.expect_request(re.compile("kind=live")):
        page.get_by_label("Source").select_option("live")
    assert "kind=live" in page.url
    page.get_by_label("Source").select_option("")
    page.fill("input[type=search]", "nowhere")
    page.locator("h2", has_text="Nothing found").wait_for()


@pytest.mark.driver_lacks("the driver does not report the bodies of Firefox's requests")
def test_a_renamed_file_has_its_new_name_everywhere(pages: "Pages") -> None:
    page = pages.blank()
    library = Library(page)
    library.titles[Job.ID] = "Untitled 25 Nov 2026.wav"
    job = Job(page, ["One sentence."])
    pages.go(page, "/#/files")
    job.open(page)

    def rename(name: str) -> None:
        page.click(".result button:has-text('Rename')")
        page.fill("form.rename input", name)
        page.keyboard.press("Enter")
        page.locator(".result h1", has_text=name).wait_for()

    def downloaded() -> str:
        page.click(".result summary:has-text('Download')")
        return pages.download(page, ".result button:has-text('Plain text')")[0]

    rename("Quarterly review 2.0")
    assert downloaded() == "Quarterly review 2.0.txt"
    page.click(".result-head > a")
    page.locator("li .title a", has_text="Quarterly review 2.0").click()
    page.locator(".result h1", has_text="Quarterly review 2.0").wait_for()
    page.reload()
    page.locator(".result h1", has_text="Quarterly review 2.0").wait_for()
    assert downloaded() == "Quarterly review 2.0.txt"
    pages.go(page, f"/#/library/{Job.ID}")
    page.locator(".library-page .result").wait_for()
    page.click(".library-page .result button:has-text('Rename')")
    page.fill("form.rename input", "Third name")
    page.keyboard.press("Enter")
    page.locator(".library-page h1", has_text="Third name").wait_for()
    page.click(".library-page summary:has-text('Download')")
    assert pages.download(page, ".library-page button:has-text('Plain text')")[0] == "Third name.txt"
    page.click("nav a[data-view=files]")
    page.locator("li .title a", has_text="Third name").wait_for()


def test_what_is_missing_from_a_file_is_told_in_words(pages: "Pages") -> None:
    page = pages.blank(locale="de-DE")
    warnings = [
        {"code": "damaged", "message": "the file is damaged", "start": 1.0, "end": 2.5},
        {"code": "cut_off", "message": "the file ends", "start": 3.0, "end": 60.0},
    ]
    job = Job(page, ["Ein Satz.", "Noch einer.", "Der letzte."], "de", warnings=warnings)
    pages.go(page, "/#/files")
    job.open(page)
    notice = page.locator(".result .notice", has_text="Mit dieser Datei stimmt etwas nicht")
    assert notice.locator("p").all_inner_texts() == [
        "Die Datei ist von 0:01 bis 0:02 beschädigt. Was dort gesagt wurde, fehlt ganz oder teilweise.",
        "Die Datei endet nach 0:03, sollte aber 1:00 lang sein. Der Rest fehlt.",
    ]
    page.click(".result summary:has-text('Speichern')")
    _, text = pages.download(page, ".result button:has-text('(.json)')")
    assert json.loads(text)["warnings"] == warnings
    page.click(".result-head > a")
    page.locator("li .about", has_text="Mit dieser Datei stimmt etwas nicht").wait_for()


def test_of_a_whole_file_nothing_is_missing(pages: "Pages") -> None:
    page = pages.blank()
    job = Job(page, ["One sentence."])
    pages.go(page, "/#/files")
    job.open(page)
    assert page.locator(".result .notice").count() == 0


@pytest.mark.parametrize("view", ["live", "library", "conversation"])
def test_a_file_is_dropped_on_any_view(pages: "Pages", view: str) -> None:
    page = pages.blank()
    Job(page, ["One sentence."])
    pages.go(page, f"/#/{view}")
    page.locator(f".{view}-page").wait_for()
    left = page.evaluate(
        """(sound) => {
          const data = new DataTransfer();
          data.items.add(new File([Uint8Array.from(sound)], "dropped.wav", { type: "audio/wav" }));
          const target = document.querySelector("main");
          const drag = (kind) =>
            target.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
          return [drag("dragenter"), drag("dragover"), drag("drop")];
        }""",
        list(silence(1)),
    )
    assert left == [False, False, False], "the browser does not open it in place of the page"
    page.locator(".files-page li[data-phase=completed]", has_text="dropped.wav").wait_for()


def test_dates_the_wrong_way_round_are_reported(pages: "Pages") -> None:
    page = pages.blank(locale="de-DE")
    library = Library(page)
    pages.go(page, "/#/library?from=2026-03-02&to=2026-03-01")
    page.locator("h2", has_text="„Von“ liegt nach „Bis“").wait_for()
    assert not [one for one in library.asked if "from=" in one]
    page.get_by_label("Bis").fill("2026-03-03")
    page.locator("li").first.wait_for()


def test_a_server_without_a_library_says_so(pages: "Pages") -> None:
    page = pages.blank()
    missing = {"error": {"code": "not_found", "message": "Not Found"}}
    page.route("**/v1/stt/transcripts**", lambda route: route.fulfill(status=404, json=missing))
    pages.go(page, "/#/library")
    page.locator("h2", has_text="Not available on this server").wait_for()


def test_what_was_transcribed_is_found_again(pages: "Pages", recording: Path, tmp_path: Path) -> None:
    """The real library: a file and a live text that was to be kept, found by name and by words, renamed, deleted."""
    # Bytes of its own: a repeated upload is answered from the store, under the name that it has there.
    (tmp_path / "Worstward Ho.wav").write_bytes(recording.read_bytes() + bytes(64))
    page = pages.open("/#/files")
    page.set_input_files(".drop input", tmp_path / "Worstward Ho.wav")
    page.locator("li[data-phase=completed]").wait_for(timeout=60_000)
    page.click("nav a[data-view=live]")
    page.click("button[aria-controls=live-options]")
    page.locator("label", has_text="Keep the text in the library").click()
    page.keyboard.press("Escape")
    page.click(".talk")
    page.locator(".live-page [role=log] p").nth(1).wait_for(timeout=15_000)
    page.click(".talk")
    page.locator(".live-page .chip", has_text="Stopped").wait_for(timeout=10_000)
    page.click("nav a[data-view=library]")
    page.fill("input[type=search]", "stward h")
    page.locator("li mark", has_text="stward H").wait_for(timeout=10_000)
    page.fill("input[type=search]", "ever failed")
    page.locator(".snippet mark").first.wait_for(timeout=10_000)
    page.locator("li .about", has_text="English").nth(1).wait_for(timeout=10_000)
    # A live text has no name of its own: it is called by its time.
    page.locator("li .title", has_text=re.compile(r"^Live, \d+ \w+ \d{4}, \d\d:\d\d$")).wait_for()
    page.fill("input[type=search]", "worstward")
    page.locator("li mark", has_text="Worstward").first.wait_for()
    page.locator("button[aria-label='Rename: Worstward Ho.wav']").click()
    page.locator("form.rename input").fill("Beckett, read aloud")
    page.keyboard.press("Enter")
    page.locator(".library-page li a", has_text="Beckett, read aloud").click()
    page.locator(".library-page h1", has_text="Beckett, read aloud").wait_for()
    page.locator(".library-page .words", has_text="Fail again").wait_for()
    with page.expect_response(lambda answer: answer.request.method == "DELETE", timeout=20_000):
        page.locator(".library-page button", has_text="Delete").click()
        page.locator(".library-page input[type=search]").wait_for()
    page.fill("input[type=search]", "read aloud")
    page.locator("h2", has_text="Nothing found").wait_for()


def test_the_api_page_shows_operations_and_asks_nobody_else(pages: "Pages") -> None:
    page = pages.blank()
    asked: list[str] = []
    refused: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    page.goto(f"{pages.url}/docs")
    page.locator(".opblock-summary-path", has_text="/health/live").first.wait_for(timeout=15_000)
    assert page.locator(".opblock").count() > 10
    page.locator(".opblock-summary-path", has_text="/health/live").first.click()
    page.locator(".try-out button").click()
    page.locator("button.execute").click()
    page.locator(".live-responses-table", has_text="alive").wait_for(timeout=15_000)
    assert [url for url in asked if not url.startswith((pages.url, "data:", "blob:"))] == []
    assert refused == []
