"""The ``Idempotency-Key`` of a request, and what makes two requests the same."""

import hashlib
import json
import re
from collections.abc import Sequence

from stt_gateway.core.requests.parameters import JobRequest
from stt_shared.contracts.errors import SttError

_KEY = re.compile(r"[!-~]{1,255}")


def idempotency_key(given: Sequence[str]) -> str | None:
    """The key of a request that has the header ``given`` times; None without. Raises SttError bad_config."""
    if not given:
        return None
    if len(given) > 1:
        raise SttError("bad_config", "Idempotency-Key is given twice; once is allowed")
    if not _KEY.fullmatch(given[0]):
        raise SttError("bad_config", "Idempotency-Key must be 1 to 255 visible ASCII characters")
    return given[0]


def fingerprint(wishes: JobRequest, files: Sequence[str]) -> str:
    """Of the wishes and the files' SHA-256 in their order; what the files are called says nothing about the work."""
    asked = [wishes.language, wishes.task.value, wishes.prompt, *files]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()
