"""The suite, and browsers on it: every test runs in Chromium, and again in Firefox (`-k firefox` picks those). What
there is no browser, model or recording for skips with its reason."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import recordings
from support.launched_suite import Suite, running_suite

from stt_transcriber.models.store import ModelError, default_models_dir, pull

if TYPE_CHECKING:
    from browser.browsers import Pages, Running

MODEL = "tiny.en"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "driver_lacks(reason): only Chromium can be driven through this test")


@pytest.fixture(scope="session", params=["chromium", "firefox"])
def browser_name(request: pytest.FixtureRequest) -> str:
    """A browser that is there."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed: pip install playwright")
    from browser.browsers import ToolMissing, executable

    try:
        executable(request.param)
    except ToolMissing as error:
        pytest.skip(str(error))
    return str(request.param)


@pytest.fixture(scope="session")
def recording() -> Path:
    try:
        return recordings.beckett_path()
    except recordings.SpeechMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed: pip install playwright")
    from browser.browsers import ToolMissing, axe_source

    try:
        return axe_source()
    except ToolMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """One replica of each service, on real weights."""
    try:
        pull(MODEL, default_models_dir())
    except ModelError as error:
        pytest.skip(f"no weights: {error}")
    with running_suite(WHISPER_MODEL=MODEL, SPOOL_DIR=str(tmp_path_factory.mktemp("spool"))) as suite:
        yield suite


@pytest.fixture(scope="session")
def running_browser(browser_name: str, recording: Path) -> Iterator["Running"]:
    from browser.browsers import browser

    with browser(recording, browser_name) as running:
        yield running


@pytest.fixture
def pages(running_browser: "Running", suite: Suite, request: pytest.FixtureRequest) -> Iterator["Pages"]:
    from browser.browsers import Pages

    lacking = request.node.get_closest_marker("driver_lacks")
    if lacking and running_browser.name != "chromium":
        pytest.skip(lacking.args[0])
    opened = Pages(running_browser, suite.url)
    yield opened
    opened.close()
