"""The suite, and browsers on it. Everything skips with its reason where there is no Chromium, model or recording."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import speech
from common import Suite, running_suite

from stt_transcriber.model_store import ModelError, default_models_dir, pull

if TYPE_CHECKING:
    from browser.browsers import Pages
    from playwright.sync_api import Browser

MODEL = "tiny.en"


@pytest.fixture(scope="session")
def tools() -> None:
    """What every browser test needs."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed: pip install playwright")
    from browser.browsers import ToolMissing, chromium

    try:
        chromium()
    except ToolMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def recording() -> Path:
    try:
        return speech.beckett_path()
    except speech.SpeechMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def suite(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """One replica of each service, on real weights."""
    try:
        pull(MODEL, default_models_dir())
    except ModelError as error:
        pytest.skip(f"no weights: {error}")
    with running_suite(WHISPER_MODEL=MODEL, SPOOL_DIR=str(tmp_path_factory.mktemp("spool"))) as suite:
        yield suite


@pytest.fixture(scope="session")
def shared_browser(tools: None, recording: Path) -> Iterator["Browser"]:
    """For tests that need no fresh microphone."""
    from browser.browsers import browser

    with browser(recording) as running:
        yield running


@pytest.fixture
def pages(shared_browser: "Browser", suite: Suite) -> Iterator["Pages"]:
    from browser.browsers import Pages

    opened = Pages(shared_browser, suite.url)
    yield opened
    opened.close()
