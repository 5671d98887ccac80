"""Files of the web app: read once, compressed once, served from memory."""

import gzip
import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import public
from stt_shared.contracts.errors import SttError

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
# Scripts and styles may come from this server only. Files that a user drops are played from a blob.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Permissions-Policy": "microphone=(self), screen-wake-lock=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
_ALWAYS_ASK = "no-cache"
_FOREVER = "public, max-age=31536000, immutable"
_PLACE_OF_RELEASE = b"assets/release/"
_SCRIPT = "js/app.js"
# Not imported, but fetched when a user begins to speak: preloaded so that the first word does not wait for it.
_SOUND = "js/live/worklet.js"
_PLACE_OF_PRELOADS = b"<!-- modulepreload -->"
_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*"(\.[^"]+)"', re.MULTILINE)
_PACKED_ALREADY = {".woff2"}


@dataclass(frozen=True)
class Page:
    """One file. ``packed``: the body compressed with gzip, None unless that is smaller."""

    body: bytes
    packed: bytes | None
    media_type: str
    etag: str


class Pages:
    """All files of a folder.

    ``release`` identifies their content: a changed file changes the address of every file, so browsers may cache them
    forever and never mix two releases.
    """

    def __init__(self, folder: Traversable) -> None:
        files = dict(_files(folder, PurePosixPath()))
        digest = hashlib.sha256()
        for path in sorted(files):
            digest.update(path.encode() + b"\0" + files[path])
        self.release = digest.hexdigest()[:12]
        # Without preloads a browser would discover each module in the one before, at a round trip each.
        modules = [*imported(files, _SCRIPT), *([_SOUND, *imported(files, _SOUND)] if _SOUND in files else [])]
        preloads = [f'<link rel="modulepreload" href="assets/release/{path}">' for path in modules]
        index = files.pop("index.html").replace(_PLACE_OF_PRELOADS, "\n".join(preloads).encode())
        self.index = self._document(index)
        self.signed_in = self._document(files.pop("signed-in.html", b""))
        self.assets: Mapping[str, Page] = {path: page_of(path, body) for path, body in files.items()}

    def _document(self, html: bytes) -> Page:
        return page_of("index.html", html.replace(_PLACE_OF_RELEASE, f"assets/{self.release}/".encode()))

    def router(self) -> APIRouter:
        """Return a router for ``/``, ``/signed-in`` and ``/assets/{release}/…``."""
        router = APIRouter(include_in_schema=False)

        @router.get("/")
        @public
        async def index(request: Request) -> Response:
            return answer(request, self.index, _ALWAYS_ASK)

        @router.get("/signed-in")
        @public
        async def signed_in(request: Request) -> Response:
            """Answer the window in which somebody has signed in at the issuer."""
            return answer(request, self.signed_in, _ALWAYS_ASK)

        @router.get("/assets/{release}/{path:path}")
        @public
        async def asset(request: Request, release: str, path: str) -> Response:
            page = self.assets.get(path)
            if page is None:
                raise SttError("not_found", "no such page")
            # A page of an older release that is still open gets the current file.
            return answer(request, page, _FOREVER if release == self.release else _ALWAYS_ASK)

        return router


def web_pages() -> Pages:
    """Return the web app that this package ships."""
    return Pages(resources.files("stt_gateway").joinpath("web"))


def imported(files: Mapping[str, bytes], path: str) -> list[str]:
    """Return the modules that the script at ``path`` needs before it runs, nearest first, without the script itself."""
    found = [path]
    for module in found:
        for name in _IMPORT.findall(files.get(module, b"").decode()):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(module), name))
            if target not in found:
                found.append(target)
    return found[1:]


def answer(request: Request, page: Page, cache_control: str) -> Response:
    """Return the file, compressed if the client accepts gzip, or 304 if the client already has it."""
    headers = {**SECURITY_HEADERS, "Cache-Control": cache_control, "ETag": page.etag, "Vary": "Accept-Encoding"}
    if page.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if page.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(page.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=page.media_type)
    return Response(page.body, headers=headers, media_type=page.media_type)


def _files(folder: Traversable, at: PurePosixPath) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, at / entry.name)
        elif PurePosixPath(entry.name).suffix in MEDIA_TYPES:
            yield str(at / entry.name), entry.read_bytes()


def page_of(path: str, body: bytes) -> Page:
    """Build the page of a file; the suffix of its name determines the media type."""
    suffix = PurePosixPath(path).suffix
    packed = None if suffix in _PACKED_ALREADY else gzip.compress(body, 9, mtime=0)
    if packed is not None and len(packed) >= len(body):
        packed = None
    # A weak tag: the compressed and the plain form are the same file to the client.
    return Page(body, packed, MEDIA_TYPES[suffix], f'W/"{hashlib.sha256(body).hexdigest()[:20]}"')
