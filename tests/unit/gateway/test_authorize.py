"""Every route says whom it is for, and is asked about before it runs."""

import dataclasses

import pytest
from fastapi import Depends, FastAPI, Response
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from starlette.requests import HTTPConnection, Request

from stt_gateway import app as gateway_app
from stt_gateway.app import create_app
from stt_gateway.authorize import AllowAll, authorize, declared_scopes, needs, principal_of, public
from stt_gateway.core.operation.allowance import Allowance
from stt_gateway.core.requests.principal import LOCAL, Principal, Scope
from stt_gateway.http import transcripts
from stt_gateway.settings import GatewaySettings
from stt_gateway.ws import stream
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

PUBLIC = {
    "/",
    "/signed-in",
    "/v1/stt/sign-in",
    "/assets/{release}/{path:path}",
    "/docs",
    "/docs/{name}",
    "/redoc",
    "/openapi.json",
    "/health",
    "/health/live",
    "/api/stt/healthcheck",
}


def test_every_route_declares_its_scope_and_few_are_public() -> None:
    routes = list(iter_route_contexts(create_app(GatewaySettings()).routes))
    assert len(routes) >= 26
    assert {route.path for route in routes if not declared_scopes(route.endpoint)} == PUBLIC


def test_an_app_with_a_route_that_declares_nothing_is_not_created(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forgotten() -> None: ...

    add_error_handlers = gateway_app.add_error_handlers

    def with_a_forgotten_route(app: FastAPI) -> None:
        app.add_api_route("/forgotten", forgotten)
        add_error_handlers(app)

    monkeypatch.setattr(gateway_app, "add_error_handlers", with_a_forgotten_route)
    with pytest.raises(LookupError, match=r"forgotten.*declares no scope"):
        create_app(GatewaySettings())


def test_needs_without_a_scope_is_refused() -> None:
    with pytest.raises(TypeError, match="@public"):
        needs()


class NameInHeader:
    """Check that believes a header: who it is, and with the scope read."""

    parameters = ()

    async def __call__(self, connection: HTTPConnection) -> Principal:
        if (name := connection.headers.get("x-name")) is None:
            raise SttError("unauthorized", "who is it?")
        return dataclasses.replace(LOCAL, name=name, scopes=frozenset({Scope.READ}))


async def count_nothing(_: Principal) -> Allowance | None:
    return None


@pytest.fixture
def client() -> TestClient:
    async def ask(connection: HTTPConnection) -> None:
        await authorize(connection, NameInHeader(), count_nothing)

    app = FastAPI(dependencies=[Depends(ask)])

    @app.get("/read")
    @needs(Scope.READ)
    async def read(request: Request) -> str:
        return principal_of(request).name

    @app.get("/delete")
    @needs(Scope.DELETE)
    async def delete() -> None: ...

    @app.get("/open")
    @public
    async def opened() -> str:
        return "open"

    @app.get("/forgotten")
    async def forgotten() -> None: ...

    @app.exception_handler(SttError)
    async def refused(_: HTTPConnection, error: SttError) -> Response:
        return Response(status_code=error.kind.http_status)

    return TestClient(app, raise_server_exceptions=False)


def test_a_route_runs_for_those_with_its_scope(client: TestClient) -> None:
    ann = {"x-name": "Ann"}
    assert client.get("/read", headers=ann).json() == "Ann"
    assert client.get("/open").json() == "open"
    for path, headers, status in [
        ("/read", {}, 401),
        ("/delete", ann, 403),
        ("/delete", {}, 401),
        # Fails closed, also when it was added to an app that has been checked.
        ("/forgotten", ann, 500),
    ]:
        assert client.get(path, headers=headers).status_code == status, path


@pytest.mark.parametrize(("headers", "code"), [([], "unauthorized"), ([(b"x-name", b"Ann")], "forbidden")])
async def test_a_websocket_is_authorised_in_the_same_way(headers: list[tuple[bytes, bytes]], code: str) -> None:
    websocket = HTTPConnection({"type": "websocket", "headers": headers, "endpoint": stream.stream})
    with pytest.raises(SttError) as refused:
        await authorize(websocket, NameInHeader(), count_nothing)
    assert refused.value.code == code


@pytest.mark.parametrize("endpoint", [transcripts.search_transcripts, transcripts.delete_transcript])
async def test_each_request_is_counted_also_one_without_the_right(endpoint: object) -> None:
    async def one_too_many(_: Principal) -> Allowance:
        return Allowance(3, 3, 7.0, is_refused=True)

    asked = HTTPConnection({"type": "http", "headers": [(b"x-name", b"Ann")], "endpoint": endpoint})
    with pytest.raises(SttError) as refused:
        await authorize(asked, NameInHeader(), one_too_many)
    assert (refused.value.code, refused.value.retry_after_s) == ("rate_limited", 7)
    assert asked.state.allowance.headers["X-RateLimit-Remaining"] == "0"


async def test_without_keys_everybody_is_the_local_principal() -> None:
    assert await AllowAll()(HTTPConnection({"type": "http"})) == LOCAL
    assert LOCAL.scopes == frozenset(Scope)
