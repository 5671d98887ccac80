"""/docs: everything it loads comes from the gateway, under the policy of the page."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import running_gateway

from stt_gateway.core.requests.job_request import JOB_PARAMETERS
from stt_gateway.http.pages import SECURITY_HEADERS
from stt_gateway.store.request import SEARCH_PARAMETERS

pytestmark = pytest.mark.contract


@pytest.fixture
async def http(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with running_gateway(redis_client, redis_url, tmp_path) as gateway:
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False) as http:
            yield http


async def test_docs_loads_nothing_from_elsewhere(http: httpx2.AsyncClient) -> None:
    page = await http.get("/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert {name: page.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(addresses) == 4
    assert "//" not in page.text
    assert re.findall(r"<script(?! src=)|<style| on\w+=", page.text) == [], "the policy allows no inline script"
    for address in addresses:
        assert (await http.get(f"/{address}")).status_code == 200, address


async def test_docs_starts_on_the_interface_that_is_served(http: httpx2.AsyncClient) -> None:
    start = await http.get("/docs/start.js")
    assert start.headers["content-type"] == "text/javascript; charset=utf-8"
    assert 'url: "openapi.json"' in start.text
    paths = (await http.get("/openapi.json")).json()["paths"]
    assert "/v1/stt/jobs" in paths
    assert not [path for path in paths if path.startswith(("/docs", "/redoc"))]


async def test_docs_lists_the_parameters_that_are_parsed(http: httpx2.AsyncClient) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    search = {one["name"]: one for one in paths["/v1/stt/transcripts"]["get"]["parameters"]}
    assert tuple(search) == SEARCH_PARAMETERS.names
    assert search["limit"]["schema"].items() >= {"minimum": 1, "maximum": 100, "default": 20}.items()
    page = paths["/v1/stt/conversations/{conversation_id}"]["get"]["parameters"]
    assert [(one["name"], one["in"]) for one in page][-2:] == [("after", "query"), ("limit", "query")]
    form = paths["/v1/stt/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert tuple(form["properties"]) == ("file", *JOB_PARAMETERS.names)
    assert form["properties"]["task"]["enum"] == ["transcribe", "translate"]


async def test_docs_serves_no_other_file(http: httpx2.AsyncClient) -> None:
    for name in ("redoc.standalone.js", "..%2F__init__.py", "core.py"):
        assert (await http.get(f"/docs/{name}")).status_code == 404, name


async def test_redoc_leads_to_docs(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/redoc")
    assert (answer.status_code, answer.headers["location"]) == (307, "docs")
