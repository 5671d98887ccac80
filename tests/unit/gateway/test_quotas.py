"""Quotas: what a key may have, and what clients are told of it."""

from typing import Any

import pytest

from stt_gateway.core.operation.allowance import Allowance, minute_of
from stt_gateway.core.requests.parameters import NotAllowed
from stt_gateway.core.requests.quotas import MAX_QUOTA, Quotas, checked_quotas, known_quotas, quotas_from
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit


def test_a_key_has_its_own_quotas_over_those_of_the_server() -> None:
    defaults = Quotas(requests_per_minute=1200, streams=0)
    assert Quotas().over(defaults) == defaults
    assert Quotas(streams=4).over(defaults) == Quotas(1200, 4)
    assert Quotas(requests_per_minute=0).over(defaults) == Quotas(0, 0), "no limit is not the default"


def test_quotas_are_written_as_names_with_numbers() -> None:
    assert quotas_from(["streams=4", "requests_per_minute=60"]) == Quotas(60, 4)
    assert quotas_from([]).given == {}
    assert known_quotas({"streams": 4, "of_tomorrow": 1}) == Quotas(streams=4)


@pytest.mark.parametrize(
    "text", ["streams", "streams=", "streams=-1", "streams=four", "flow=1", f"streams={MAX_QUOTA + 1}"]
)
def test_what_is_no_quota_is_refused(text: str) -> None:
    with pytest.raises(NotAllowed):
        quotas_from([text])


@pytest.mark.parametrize("given", [{"streams": -1}, {"flow": 1}, {"streams": MAX_QUOTA + 1}])
def test_a_request_cannot_give_what_is_no_quota(given: dict[str, Any]) -> None:
    with pytest.raises(NotAllowed):
        checked_quotas(given)


def test_headers_say_what_is_left_until_the_next_minute() -> None:
    at = Allowance.at(60_000 * 7 + 12_500, 10, 4, is_refused=False)
    at.check()
    assert dict(at.headers) == {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "6", "X-RateLimit-Reset": "48"}
    assert minute_of(60_000 * 7 + 12_500) == 7


def test_a_refused_request_may_come_again_in_the_next_minute() -> None:
    with pytest.raises(SttError, match="more than 10 requests") as refused:
        Allowance.at(59_900, 10, 10, is_refused=True).check()
    assert (refused.value.code, refused.value.retry_after_s) == ("rate_limited", 1)
