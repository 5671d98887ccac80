"""Parameter ``callback_url``, of jobs and of live sessions."""

from stt_gateway.core.outbound.client_urls import MAX_URL_CHARS, url_parser
from stt_gateway.core.requests.parameters import NotAllowed, Parameter

CALLBACK_URL = Parameter[str](
    "callback_url",
    "",
    url_parser(NotAllowed),
    {"type": "string", "format": "uri", "maxLength": MAX_URL_CHARS},
    "URL to which the end is posted, signed; see docs/protocol.md, Callbacks.",
    is_secret=True,
)
