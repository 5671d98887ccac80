"""Options about words, as the fields of a request."""

import json

import pytest

from stt_cli.options import Speech
from stt_gateway.core.requests.job_request import job_request
from stt_shared.contracts.session import Redaction

pytestmark = pytest.mark.unit


def test_what_is_to_be_redacted_reaches_the_server() -> None:
    fields = Speech(redact="card,iban", redact_pattern=[r"EMP-\d{6}", 'a "b"']).request_fields()
    assert json.loads(fields["redact_patterns"]) == [r"EMP-\d{6}", 'a "b"']
    request = job_request(fields.items())
    assert (request.redact, request.redact_patterns) == (
        (Redaction.CARD, Redaction.IBAN),
        (r"EMP-\d{6}", 'a "b"'),
    )
    assert Speech().request_fields() == {}
