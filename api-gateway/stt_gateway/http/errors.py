"""Errors over HTTP: every exception that a route may raise, as the JSON body and the status that the client gets."""

import math
from collections.abc import Mapping

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from stt_gateway.context import context_of
from stt_gateway.http.error_shapes import Refusal, refusal_body, refusal_headers, refusal_status
from stt_gateway.http.headers import API_HEADERS
from stt_shared.contracts.errors import SttError
from stt_shared.process.metrics import ERRORS_TOTAL
from stt_shared.redis.outage import UNREACHABLE, unavailable

_log = structlog.get_logger()

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="stt"'}
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def error_response(path: str, refusal: Refusal, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the response to a refused request to ``path``, in the form of that address, and count the error."""
    ERRORS_TOTAL.labels(refusal.code).inc()
    headers = {**refusal_headers(path, refusal), **(headers or {})}
    return JSONResponse(refusal_body(path, refusal), refusal_status(path, refusal), headers)


def refusal_of(error: SttError, retry_after_s: float | None = None) -> Refusal:
    """Return the form of ``error`` that a client gets."""
    return Refusal(error.kind.http_status, error.code, error.message, error.param, error.is_retryable, retry_after_s)


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
    path, retry_after_s = request.scope["path"], context_of(request).retry_after_s(error)
    # The header holds whole seconds only, and must not invite a client to return sooner than the body does.
    headers = {} if retry_after_s is None else {"Retry-After": str(math.ceil(retry_after_s))}
    if error.kind.http_status == 401:
        headers |= _CHALLENGE
    return error_response(path, refusal_of(error, retry_after_s), headers)


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, code = request.scope["path"], _CODES.get(error.status_code, "bad_message")
    if error.status_code != 405:
        return error_response(path, Refusal(error.status_code, code, str(error.detail)), error.headers)
    allowed = ", ".join(_allowed_methods(request))
    message = f"{request.method} is not allowed; allowed are {allowed}"
    return error_response(path, Refusal(405, code, message), {"Allow": allowed})


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of all routes at this address; Starlette names those of the first one only."""
    routes = request.app.router.routes
    found = [
        method
        for method in ("GET", "POST", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return ["HEAD", *found] if "GET" in found else found


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    message = "; ".join(problem["msg"] for problem in error.errors())
    return error_response(request.scope["path"], Refusal(422, "bad_config", message))


async def _redis_unavailable(request: Request, error: Exception) -> Response:
    _log.warning("request refused: redis unavailable", cause=str(error))
    return await _refused(request, unavailable("try again"))


async def _disconnected(_: Request, __: Exception) -> Response:
    # Nobody reads the response. The code that was reading the request logs the disconnection.
    return Response(status_code=400)


async def _failed(request: Request, _: Exception) -> Response:
    # The server logs the traceback; the client gets none. No middleware sees this response.
    refusal = Refusal(500, "internal", "internal server error; try again", is_retryable=True)
    return error_response(request.scope["path"], refusal, API_HEADERS)
