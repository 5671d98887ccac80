"""How long transcripts are kept, as admins may give it."""

import pytest

from stt_gateway.core.requests.parameters import NotAllowed
from stt_gateway.core.requests.retention import retention_from, retention_request
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit


def test_days_are_a_number_or_the_servers() -> None:
    assert [retention_from(text) for text in ("30", "1.5", "0", "default")] == [30.0, 1.5, 0.0, None]
    for text in ("", "x", "nan", "inf", "-1", "0.9", "36501"):
        with pytest.raises(NotAllowed):
            retention_from(text)


@pytest.mark.parametrize(("days", "server"), [("31", 30.0), ("0", 30.0)])
def test_no_admin_of_a_tenant_keeps_more_than_the_server(days: str, server: float) -> None:
    body = f'{{"retention_days": {days}}}'.encode()
    with pytest.raises(SttError, match="30 days at most"):
        retention_request(body, server)
    assert retention_request(body, 0.0) == float(days)
    assert retention_request(b'{"retention_days": 30}', server) == 30.0
    assert retention_request(b'{"retention_days": null}', server) is None
