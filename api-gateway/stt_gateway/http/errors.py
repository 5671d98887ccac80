"""Errors over HTTP: every exception that a route may raise, as the JSON body and the status that the client gets."""

import math
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from stt_gateway.context import context_of
from stt_gateway.http.headers import API_HEADERS
from stt_shared.contracts.errors import SttError
from stt_shared.process.metrics import ERRORS_TOTAL
from stt_shared.redis.outage import UNREACHABLE, unavailable

_log = structlog.get_logger()

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="stt"'}
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def error_body(code: str, message: str, **more: float) -> dict[str, Any]:
    """Return the body of every refused request."""
    return {"error": {"code": code, "message": message, **more}}


def error_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None, **more: float
) -> JSONResponse:
    """Return the response to a refused request, and count the error."""
    ERRORS_TOTAL.labels(code).inc()
    return JSONResponse(error_body(code, message, **more), status, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Make ``app`` answer every exception of its routes."""
    app.add_exception_handler(SttError, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(RequestValidationError, _invalid)
    for error in UNREACHABLE:
        app.add_exception_handler(error, _redis_unavailable)
    app.add_exception_handler(ClientDisconnect, _disconnected)
    app.add_exception_handler(Exception, _failed)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, SttError)
    retry_after_s = context_of(request).retry_after_s(error)
    if retry_after_s is None:
        headers = _CHALLENGE if error.kind.http_status == 401 else None
        return error_response(error.kind.http_status, error.code, error.message, headers)
    # The header holds whole seconds only, and must not invite a client to return sooner than the body does.
    headers = {"Retry-After": str(math.ceil(retry_after_s))}
    return error_response(error.kind.http_status, error.code, error.message, headers, retry_after_s=retry_after_s)


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "bad_message")
    if error.status_code != 405:
        return error_response(error.status_code, code, str(error.detail), error.headers)
    allowed = ", ".join(_allowed_methods(request))
    return error_response(405, code, f"{request.method} is not allowed; allowed are {allowed}", {"Allow": allowed})


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of all routes at this address; Starlette names those of the first one only."""
    routes = request.app.router.routes
    found = [
        method
        for method in ("GET", "POST", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return ["HEAD", *found] if "GET" in found else found


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(422, "bad_config", "; ".join(problem["msg"] for problem in error.errors()))


async def _redis_unavailable(request: Request, error: Exception) -> Response:
    _log.warning("request refused: redis unavailable", cause=str(error))
    return await _refused(request, unavailable("try again"))


async def _disconnected(_: Request, __: Exception) -> Response:
    # Nobody reads the response. The code that was reading the request logs the disconnection.
    return Response(status_code=400)


async def _failed(_: Request, __: Exception) -> Response:
    # The server logs the traceback; the client gets none. No middleware sees this response.
    return error_response(500, "internal", "internal server error; try again", API_HEADERS)
