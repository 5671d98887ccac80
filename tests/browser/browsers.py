"""Real browsers on the real page; their microphone is a file."""

import base64
import contextlib
import json
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright
from support.cached_file import cached_file

COMMANDS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "firefox": ("firefox-esr", "firefox"),
}
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
_CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
_FIREFOX_SETTINGS: dict[str, str | float | bool] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    # Sound that nobody hears, in real time: a machine without speakers would let no AudioContext run.
    "media.cubeb.force_mock_context": True,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    # What `Pages` asks of each page; Firefox takes it for the whole browser only.
    "ui.prefersReducedMotion": 1,
    # As on a phone: a bar beside the page would make narrow pages narrower.
    "ui.useOverlayScrollbars": 1,
    "layout.css.prefers-color-scheme.content-override": 1,
}
# Firefox's own fake microphone hums. It is still asked for, so that Firefox judges the constraints of the page.
_FIREFOX_MICROPHONE = """
(() => {
  const devices = navigator.mediaDevices;
  if (!devices) return;
  const [rate, data] = RECORDING;
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const samples = Float32Array.from(new Int16Array(bytes.buffer), (value) => value / 32768);
  const ask = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (constraints) => {
    (await ask(constraints)).getTracks().forEach((track) => track.stop());
    // The page's own rate: between two rates Firefox joins two clocks, and a busy machine loses samples there.
    const context = new AudioContext({ sampleRate: rate });
    const buffer = context.createBuffer(1, samples.length, rate);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(context, { buffer });
    const microphone = context.createMediaStreamDestination();
    source.connect(microphone);
    await context.resume();
    // Nobody speaks before the page shows that it listens.
    source.start(context.currentTime + 1);
    return microphone.stream;
  };
})();
"""
# On a socket that broke, or could not be opened: no script failed.
_FIREFOX_REMARKS = ("The connection to ws://", "Firefox can’t establish a connection to the server at ws://")
_CATCH_DOWNLOAD = """
window.caught = new Promise((done) => {
  const make = URL.createObjectURL;
  let saved;
  URL.createObjectURL = (blob) => {
    saved = blob;
    return make(blob);
  };
  const { click } = HTMLAnchorElement.prototype;
  HTMLAnchorElement.prototype.click = async function () {
    HTMLAnchorElement.prototype.click = click;
    URL.createObjectURL = make;
    done([this.download, await saved.text()]);
  };
});
0
"""
_AXE = "axe-core@4.14.1"
_AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
_CACHE = Path.home() / ".cache" / "stt-suite" / "test-tools"


class ToolMissing(Exception):
    """Something that these tests need cannot be had here; they should skip with this reason."""


@dataclass(frozen=True)
class Running:
    """A browser that runs. ``script`` goes into every page before its own."""

    name: str
    browser: Browser
    script: str = ""


def executable(name: str) -> str:
    """The path of an installed browser, one of COMMANDS. Raises ToolMissing."""
    for command in COMMANDS[name]:
        if path := shutil.which(command):
            return path
    raise ToolMissing(f"no {name.capitalize()} on the PATH: looked for {', '.join(COMMANDS[name])}")


@contextlib.contextmanager
def browser(microphone: Path, name: str = "chromium") -> Iterator[Running]:
    """A browser whose microphone plays this WAV (16-bit, mono) once whenever it is opened. Raises ToolMissing."""
    path = executable(name)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        if name == "firefox":
            running = _firefox(playwright, path, microphone, Path(folder))
        else:
            running = _chromium(playwright, path, microphone)
        try:
            yield running
        finally:
            running.browser.close()


def _chromium(playwright: Playwright, path: str, microphone: Path) -> Running:
    # Chromium's own new headless mode, by its flag: the other kind has no media devices.
    flags = [*_CHROMIUM_FLAGS, f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    return Running("chromium", playwright.chromium.launch(executable_path=path, headless=False, args=flags))


def _firefox(playwright: Playwright, path: str, microphone: Path, folder: Path) -> Running:
    starter = folder / "firefox"
    command = shlex.join([sys.executable, str(Path(__file__).with_name("firefox.py")), path])
    starter.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    starter.chmod(0o755)
    with wave.open(str(microphone)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        recording = [sound.getframerate(), base64.b64encode(sound.readframes(sound.getnframes())).decode()]
    return Running(
        "firefox",
        playwright.firefox.launch(
            channel="moz-firefox", executable_path=starter, headless=True, firefox_user_prefs=_FIREFOX_SETTINGS
        ),
        _FIREFOX_MICROPHONE.replace("RECORDING", json.dumps(recording)),
    )


class Pages:
    """Pages of one browser. ``close`` raises AssertionError if a script of any of them failed."""

    def __init__(self, running: Running, url: str) -> None:
        self._running = running
        self.url = url
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []

    def open(self, path: str = "/", *, phone: bool = False, dark: bool = False, locale: str = "en-GB") -> Page:
        """A page of a person of its own."""
        page = self.blank(phone=phone, dark=dark, locale=locale)
        self.go(page, path)
        return page

    def blank(
        self,
        *,
        phone: bool = False,
        dark: bool = False,
        locale: str = "en-GB",
        zone: str | None = None,
        bypass_csp: bool = False,
    ) -> Page:
        """The same, not yet on the app.

        ``zone``: the time zone, such as Asia/Tokyo; None: the machine's. ``bypass_csp``: scripts may stand inline.
        """
        context = self._running.browser.new_context(
            viewport=PHONE if phone else DESKTOP,
            # Firefox has no such thing: there a phone is a narrow window.
            is_mobile=phone if self._running.name == "chromium" else None,
            has_touch=phone if self._running.name == "chromium" else None,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            locale=locale,
            timezone_id=zone,
            bypass_csp=bypass_csp,
        )
        self._contexts.append(context)
        if self._running.script:
            context.add_init_script(self._running.script)
        if dark and self._running.name == "firefox":
            context.add_init_script("if (location.host) localStorage.setItem('theme', 'dark');")
        page = context.new_page()
        page.on("pageerror", self._on_error)
        return page

    def go(self, page: Page, path: str) -> None:
        page.goto(self.url + path)
        page.wait_for_selector("html[data-ready]", timeout=15_000)

    def download(self, page: Page, button: str) -> tuple[str, str]:
        """Presses a button that saves a text; its file's name and content."""
        if self._running.name == "firefox":
            # Its driver reports no downloads.
            page.evaluate(_CATCH_DOWNLOAD)
            page.click(button)
            name, text = page.evaluate("caught")
            return name, text
        with page.expect_download() as download:
            page.click(button)
        return download.value.suggested_filename, Path(download.value.path()).read_text()

    def _on_error(self, error: Exception) -> None:
        if not str(error).startswith(_FIREFOX_REMARKS):
            self.errors.append(str(error))

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        assert not self.errors, self.errors


def axe_source() -> str:
    """axe-core, fetched once into the user's cache. Raises ToolMissing."""
    mismatch = ToolMissing(f"axe.min.js of {_AXE} is not the file that these tests know")
    return cached_file(_CACHE / "axe.min.js", _AXE_SHA256, _axe_from_npm, mismatch).read_text()


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
