"""The short form: one round of each of the main scenarios, on few sessions. `make chaos` is the long one."""

import json
import os

import pytest

import chaos.scenarios  # noqa: F401  fills the registry
from chaos.run import REGISTRY, by_setup, play_all
from chaos.suite import Setup

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

SHORT = by_setup(each for each in REGISTRY.values() if each.short)


@pytest.mark.parametrize("setup", SHORT, ids=["plain", "proxied"])
async def test_no_word_is_lost_or_doubled(setup: Setup) -> None:
    rows = await play_all(SHORT[setup], seed=int(os.environ.get("CHAOS_SEED", "1")), short=True)
    assert [json.dumps(row.as_json(), default=str) for row in rows if not row.is_good] == []
    assert [row.name for row in rows if row.skipped] == []
