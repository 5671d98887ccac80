"""JSON responses of the routes, encoded by msgspec."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import Response


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with ``body``, which may hold any message struct."""
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")
