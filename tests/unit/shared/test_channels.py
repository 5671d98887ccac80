"""Inboxes of subscribers."""

import pytest

from stt_shared.redis.channels import MAX_INBOX, Inbox

pytestmark = pytest.mark.contract


async def test_a_slow_inbox_says_that_it_missed_something() -> None:
    inbox = Inbox()
    for number in range(MAX_INBOX + 1):
        inbox.put(str(number).encode())
    assert await inbox.get(0.01) is None
    assert await inbox.get(0.01) is None
    inbox.put(b"next")
    assert await inbox.get(0.01) == b"next"
