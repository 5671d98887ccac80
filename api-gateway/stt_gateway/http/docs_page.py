"""Route ``/docs``: the HTTP interface in Swagger UI, served from the package fastapi-offline instead of a CDN."""

import asyncio
import functools
from importlib import resources

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from stt_gateway.authorize import public
from stt_gateway.http.pages import Page, answer, page_of
from stt_shared.contracts.errors import SttError

_INDEX = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Real-time speech-to-text: API</title>
<link rel="icon" href="assets/docs/icon.svg">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
"""
# A file, since the page's policy allows no inline script. The validator would be called over the network.
_START = b"""SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""
_SHIPPED = ("swagger-ui-bundle.js", "swagger-ui.css")
_ALWAYS_ASK = "no-cache"

router = APIRouter(include_in_schema=False)


@router.get("/docs")
@public
async def index(request: Request) -> Response:
    """Serve the page; it loads everything by relative addresses, so it also works below a path prefix."""
    return answer(request, page_of("index.html", _INDEX), _ALWAYS_ASK)


@router.get("/openapi.json")
@public
async def openapi(request: Request) -> JSONResponse:
    """Serve the description of the HTTP interface; FastAPI's own route would not be authorised."""
    # Relative to this document, so that it holds below any path of a proxy in front.
    described = request.app.openapi()
    # Optional, since not all routes need a key, and none does with AUTH=off.
    components = {**described.get("components", {}), "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
    more = {"servers": [{"url": "."}], "components": components, "security": [{}, {"key": []}]}
    return JSONResponse({**described, **more})


@router.get("/docs/{name}")
@public
async def file(request: Request, name: str) -> Response:
    """Serve Swagger UI's script and style sheet, or the script that starts it."""
    if name not in (*_SHIPPED, "start.js"):
        raise SttError("not_found", "no such page")
    # Compressing the script takes a moment.
    return answer(request, await asyncio.to_thread(_file, name), _ALWAYS_ASK)


@router.get("/redoc")
@public
async def redoc() -> Response:
    """Redirect to ``/docs``: one page is enough."""
    return RedirectResponse("docs")


@functools.cache
def _file(name: str) -> Page:
    """Read a file on the first request for it: most gateways never get one."""
    shipped = resources.files("fastapi_offline").joinpath("static", name) if name in _SHIPPED else None
    return page_of(name, shipped.read_bytes() if shipped else _START)
