"""A page of another site, in a real browser: it opens no WebSocket and leaves no job on the suite of its reader."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx2
import pytest
from support.launched_suite import Suite

if TYPE_CHECKING:
    from browser.browsers import Pages

pytestmark = pytest.mark.browser

OPEN = """
([address, offers]) => new Promise((resolve) => {
  const socket = new WebSocket(address, offers);
  socket.onopen = () => resolve("open");
  socket.onclose = ({ code }) => resolve(code);
})
"""
POST = """
(address) => {
  const form = new FormData();
  form.append("file", new Blob([new Uint8Array(64)]), "planted.wav");
  return fetch(address, { method: "POST", mode: "no-cors", body: form }).then(({ type }) => type, String);
}
"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>another site</title>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def foreign() -> Iterator[str]:
    """The address of a page of another origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_page_of_another_origin_gets_no_websocket_and_no_job(pages: "Pages", suite: Suite, foreign: str) -> None:
    page = pages.blank()
    page.goto(foreign)
    sockets = suite.url.replace("http", "ws")
    for path in ("/v1/stt/stream", "/v1/stt/conversations/board"):
        assert page.evaluate(OPEN, [sockets + path, []]) == 1006
    # The request is sent; what comes of it the page cannot see.
    assert page.evaluate(POST, suite.url + "/v1/stt/jobs") == "opaque"
    kept = httpx2.get(suite.url + "/v1/stt/transcripts", params={"query": "planted"}, trust_env=False).json()
    assert kept["transcripts"] == [], json.dumps(kept)
    refusals = httpx2.get(suite.url + "/metrics", trust_env=False).text
    assert 'code="forbidden_origin"' in refusals
    page.goto(suite.url)
    assert page.evaluate(OPEN, [sockets + "/v1/stt/stream", []]) == "open", "its own page may"


@pytest.mark.parametrize(
    "offers", [["bearer", "abc"], ["realtime", "openai-insecure-api-key.sk-a1b2"], ["stt", "query."]]
)
def test_a_page_that_offers_a_credential_to_a_proxy_connects(pages: "Pages", suite: Suite, offers: list[str]) -> None:
    page = pages.open()
    for path in ("/v1/stt/stream?language=en&token=abc", "/v1/stt/conversations/board?apikey=abc"):
        assert page.evaluate(OPEN, [suite.url.replace("http", "ws") + path, offers]) == "open"
