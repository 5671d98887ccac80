"""The web app's files as they are served."""

import gzip
import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from stt_gateway.http.pages import Pages, web_pages

pytestmark = pytest.mark.unit

MOST_PACKED_BYTES = 240 * 1000


@pytest.fixture(scope="module")
def pages() -> Pages:
    return web_pages()


@pytest.fixture
def client(pages: Pages) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(pages.router())
    with TestClient(app) as client:
        yield client


def test_the_page_and_all_that_it_names_are_there(pages: Pages, client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert len(named) > 10
    for address in named:
        # Relative, so that the page works below any path of a proxy in front.
        assert address.startswith(f"assets/{pages.release}/")
        assert client.get(f"/{address}").status_code == 200, address


def test_every_module_that_a_script_imports_is_there(pages: Pages) -> None:
    for path, page in pages.assets.items():
        if path.endswith(".js"):
            folder = path.rsplit("/", 1)[0]
            for name in re.findall(r'(?:from|import\(|import) ?"(\.[^"]+)"', page.body.decode()):
                parts = folder.split("/")
                for step in name.split("/"):
                    parts = parts[:-1] if step == ".." else parts if step == "." else [*parts, step]
                assert "/".join(parts) in pages.assets, f"{path} imports {name}"


def test_nothing_comes_from_elsewhere_and_nothing_stands_inline(pages: Pages) -> None:
    html = pages.index.body.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)
    for path, page in pages.assets.items():
        if path.endswith((".js", ".css")):
            found = set(re.findall(r"https?://[\w.-]+", page.body.decode())) - {"http://www.w3.org", "http://localhost"}
            assert not found, f"{path} names {found}"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("js/app.js", "text/javascript; charset=utf-8"),
        ("css/base.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
        ("fonts/figtree.woff2", "font/woff2"),
        ("app.webmanifest", "application/manifest+json"),
    ],
)
def test_types_and_rules(pages: Pages, client: TestClient, path: str, kind: str) -> None:
    answer = client.get(f"/assets/{pages.release}/{path}")
    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    rules = answer.headers["content-security-policy"]
    assert "default-src 'none'" in rules
    assert "unsafe" not in rules


def test_a_page_of_an_older_release_gets_what_there_is_and_asks_each_time(client: TestClient) -> None:
    answer = client.get("/assets/older/js/app.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


def test_what_a_browser_has_is_not_sent_again(client: TestClient) -> None:
    etag = client.get("/").headers["etag"]
    answer = client.get("/", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert client.get("/", headers={"If-None-Match": '"another"'}).status_code == 200


def test_packed_only_for_those_who_unpack(pages: Pages, client: TestClient) -> None:
    address = f"/assets/{pages.release}/js/app.js"
    assert "content-encoding" not in client.get(address, headers={"Accept-Encoding": "identity"}).headers
    with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(answer.iter_raw())) == pages.assets["js/app.js"].body


@pytest.mark.parametrize("path", ["../pages.py", "js/package.json", "js", "", "%2e%2e/pages.py"])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    with pytest.raises(Exception, match="no such page"):
        client.get(f"/assets/x/{path}")


def test_the_whole_app_is_light(pages: Pages) -> None:
    packed = sum(len(page.packed or page.body) for page in [pages.index, *pages.assets.values()])
    assert packed <= MOST_PACKED_BYTES, f"{packed} bytes"
