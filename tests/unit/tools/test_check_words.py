"""The check of words finds what it must, and nothing in plain English."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.unit

TOOL = Path(__file__).parents[3] / "tools" / "check_words.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_words", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("The session begins anew.", "anew"),
        ("It hangs on the state of the suite.", "hangs on"),
        ("# one behind the other", "one behind the other"),
        ("a worker waits so long", "waits so long"),
        ("class HeldChunks:", "HeldChunks"),
        ("from stt_shared.bus.suspects import stage", "suspects"),
        ('log.warning("replica shows no sign of life")', "sign of life"),
    ],
)
def test_a_planted_word_is_found_with_its_line(tool: ModuleType, sentence: str, word: str) -> None:
    ((line, found, instead),) = tool.problems(f"Plain English.\n{sentence}\n")
    assert (line, found) == (2, word)
    assert instead


def test_plain_english_passes(tool: ModuleType) -> None:
    assert (
        tool.problems("The lease lasts so long as the worker lives. A proxy stands in front; the text is 2 s behind.")
        == []
    )
    assert tool.problems('return "stt:suspects:" + replica_id') == []
