"""Errors that a client can receive, in one table.

    SttError
    ├── code        for programs
    ├── message     for people: what was wrong and what is allowed
    └── kind        the entry of ``ERRORS``: HTTP status, WebSocket close code, retryable or not

Close codes 4000–4499 mean "connect again may help", 4500–4999 "the same request fails again".
"""

from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True)
class ErrorKind:
    """Representation of one error code over HTTP and over a WebSocket."""

    http_status: int
    close_code: int
    retryable: bool

    @property
    def is_passing(self) -> bool:
        """Whether the error depends on a temporary state of the suite, so that the reply says when to retry.

        `internal` does not: nobody knows when a mistake ends.
        """
        return self.http_status == HTTPStatus.SERVICE_UNAVAILABLE


ERRORS: dict[str, ErrorKind] = {
    "bad_message": ErrorKind(400, 4500, False),
    "bad_audio": ErrorKind(400, 4501, False),
    "bad_config": ErrorKind(422, 4502, False),
    "unsupported_media": ErrorKind(415, 4503, False),
    "fetch_failed": ErrorKind(400, 4513, False),
    "too_large": ErrorKind(413, 1009, False),
    "not_found": ErrorKind(404, 4504, False),
    "method_not_allowed": ErrorKind(405, 4505, False),
    "conflict": ErrorKind(409, 4506, False),
    "superseded": ErrorKind(409, 4509, False),
    "forbidden_host": ErrorKind(421, 4507, False),
    "forbidden_origin": ErrorKind(403, 4508, False),
    "unauthorized": ErrorKind(401, 4510, False),
    "forbidden": ErrorKind(403, 4511, False),
    "rate_limited": ErrorKind(429, 4433, True),
    "quota_exceeded": ErrorKind(429, 4512, False),
    "idle": ErrorKind(408, 4408, True),
    "at_capacity": ErrorKind(503, 4429, True),
    "no_worker": ErrorKind(503, 4430, True),
    "unavailable": ErrorKind(503, 4431, True),
    "internal": ErrorKind(500, 4432, True),
}


class SttError(Exception):
    """An error for the client. ``code`` must be a key of ``ERRORS``.

    ``retry_after_s``: seconds after which the client may try again, where whoever raises it knows. ``param``: the
    parameter to blame, '' if there is none.
    """

    def __init__(self, code: str, message: str, *, retry_after_s: float | None = None, param: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.kind = ERRORS[code]
        self.retry_after_s = retry_after_s
        self.is_retryable = self.kind.retryable
