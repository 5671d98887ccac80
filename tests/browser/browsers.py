"""A real browser on the real page; its microphone is a file."""

import contextlib
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
_FLAGS = (
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
_AXE = "axe-core@4.14.1"
_AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
_CACHE = Path.home() / ".cache" / "stt-suite" / "test-tools"


class ToolMissing(Exception):
    """Something that these tests need cannot be had here; they should skip with this reason."""


def chromium() -> str:
    """The path of an installed Chromium. Raises ToolMissing."""
    for name in CHROMIUM_NAMES:
        if path := shutil.which(name):
            return path
    raise ToolMissing(f"no Chromium on the PATH: looked for {', '.join(CHROMIUM_NAMES)}")


@contextlib.contextmanager
def browser(microphone: Path) -> Iterator[Browser]:
    """A browser whose microphone plays this WAV once, from when it is opened first. Raises ToolMissing."""
    path = chromium()
    with sync_playwright() as playwright:
        # Chromium's own new headless mode, by its flag: the other kind has no media devices.
        running = playwright.chromium.launch(
            executable_path=path,
            headless=False,
            args=[*_FLAGS, f"--use-file-for-fake-audio-capture={microphone}%noloop"],
        )
        try:
            yield running
        finally:
            running.close()


class Pages:
    """Pages of one browser. ``close`` raises AssertionError if any of them met an error of its scripts."""

    def __init__(self, running: Browser, url: str) -> None:
        self._browser = running
        self.url = url
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []

    def open(self, path: str = "/", *, phone: bool = False, dark: bool = False, locale: str = "en-GB") -> Page:
        """A page of a person of its own."""
        page = self.blank(phone=phone, dark=dark, locale=locale)
        self.go(page, path)
        return page

    def blank(self, *, phone: bool = False, dark: bool = False, locale: str = "en-GB") -> Page:
        """The same, not yet on the app."""
        context = self._browser.new_context(
            viewport=PHONE if phone else DESKTOP,
            is_mobile=phone,
            has_touch=phone,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            locale=locale,
        )
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page

    def go(self, page: Page, path: str) -> None:
        page.goto(self.url + path)
        page.wait_for_selector("html[data-ready]", timeout=15_000)

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        assert not self.errors, self.errors


def axe_source() -> str:
    """axe-core, fetched once into the user's cache. Raises ToolMissing."""
    path = _CACHE / "axe.min.js"
    if not path.is_file():
        _CACHE.mkdir(parents=True, exist_ok=True)
        data = _axe_from_npm()
        if hashlib.sha256(data).hexdigest() != _AXE_SHA256:
            raise ToolMissing(f"axe.min.js of {_AXE} is not the file that these tests know")
        with tempfile.NamedTemporaryFile(dir=_CACHE, delete=False) as file:
            file.write(data)
        Path(file.name).replace(path)
    return path.read_text()


def _axe_from_npm() -> bytes:
    npm = shutil.which("npm")
    if npm is None:
        raise ToolMissing(f"no npm to fetch {_AXE} with")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", "--pack-destination", folder, _AXE]
        result = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        archives = list(Path(folder).glob("*.tgz"))
        if not archives:
            raise ToolMissing(f"cannot fetch {_AXE}: {result.stderr.strip().splitlines()[-1:]}")
        with tarfile.open(archives[0]) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            return member.read()
