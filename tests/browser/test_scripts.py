"""The page's pure modules, under Node's own test runner."""

from pathlib import Path

import pytest
from support import node

pytestmark = pytest.mark.browser


def test_pure_modules() -> None:
    node.run_tests(Path(__file__).parent / "unit")
