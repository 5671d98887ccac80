"""Spaces between texts: the same examples for the server, the Python client and, in tests/browser/unit, the page."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stt_client.text import needs_space as client_needs_space
from stt_shared.contracts.text import needs_space

pytestmark = pytest.mark.unit

_EXAMPLES = json.loads((Path(__file__).parents[2] / "data" / "text_spacing.json").read_text())


@pytest.mark.parametrize("rule", [needs_space, client_needs_space], ids=["server", "client"])
@pytest.mark.parametrize("example", _EXAMPLES, ids=lambda example: f"{example['before']}|{example['after']}")
def test_texts_are_spaced_but_for_chinese_and_japanese(
    rule: Callable[[str, str], bool], example: dict[str, str | bool]
) -> None:
    assert rule(str(example["before"]), str(example["after"])) is example["spaced"]
