"""Decides who a client is and whether it may use a route: one way for HTTP requests and WebSockets alike.

It runs before a route reads a body, parses a parameter or touches any state. Each endpoint declares its scope with a
decorator, directly at the function: ``@needs(Scope.JOBS)``, or ``@public``. What declares nothing is never served, and
an invitation opens only what declares ``@for_invited`` as well.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol, TypeVar

from starlette.requests import HTTPConnection

from stt_gateway.core.operation.allowance import Allowance
from stt_gateway.core.requests.principal import LOCAL, Principal, Scope, check_scopes, only_one_conversation
from stt_shared.contracts.errors import SttError

_ATTRIBUTE = "stt_scopes"
_FOR_INVITED = "stt_for_invited"

CountRequest = Callable[[Principal], Awaitable[Allowance | None]]
"""Counts a request, and returns what is left to the principal; None for one that is not counted."""

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Authorize(Protocol):
    """Check of one request or WebSocket."""

    @property
    def parameters(self) -> Collection[str]:
        """Query parameters that the check reads, such as a token; routes do not see them."""

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """Return who the client is. Raises SttError, such as `unauthorized`.

        Headers, cookies, address and query are in the connection; its body has not been read.
        """


class AllowAll:
    """The check without keys: everybody is the local principal, who may do everything."""

    parameters: Collection[str] = ()

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """Return the local principal."""
        return LOCAL


def needs(*alternatives: Scope) -> Callable[[Endpoint], Endpoint]:
    """Declare that an endpoint is for principals with one of these scopes. Stands below the route's decorator."""
    if not alternatives:
        raise TypeError("needs() without a scope; an endpoint for everybody is @public")

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, alternatives)
        return endpoint

    return declare


def for_invited(endpoint: Endpoint) -> Endpoint:
    """Declare that an endpoint with scopes also serves those who are invited to one conversation.

    It must call ``check_invited`` with the conversation that it is about to open.
    """
    setattr(endpoint, _FOR_INVITED, True)
    return endpoint


def public(endpoint: Endpoint) -> Endpoint:
    """Declare that an endpoint is for everybody, without a credential."""
    setattr(endpoint, _ATTRIBUTE, ())
    return endpoint


def declared_scopes(endpoint: object) -> tuple[Scope, ...]:
    """Return the scopes of which an endpoint needs one; () for a public one. Raises LookupError if it declares none."""
    scopes: tuple[Scope, ...] | None = getattr(endpoint, _ATTRIBUTE, None)
    if scopes is None:
        raise LookupError(f"{endpoint!r} declares no scope; decorate it with @needs(…) or @public")
    return scopes


async def authorize(connection: HTTPConnection, check: Authorize, count: CountRequest) -> None:
    """Let the client use the endpoint to which it was routed, or raise SttError.

    Afterwards ``principal_of`` tells who it is, unless the endpoint is public ``state.allowance`` what is left.
    """
    alternatives = declared_scopes(connection.scope["endpoint"])
    if alternatives:
        principal = await check(connection)
        # Before it may be refused: the audit log says who tried.
        connection.state.principal = principal
        # Also when it is refused: headers tell the client, and who has no right has asked as well.
        connection.state.allowance = allowance = await count(principal)
        if allowance is not None:
            allowance.check()
        if principal.invited is not None and not getattr(connection.scope["endpoint"], _FOR_INVITED, False):
            raise only_one_conversation()
        check_scopes(principal, alternatives)


async def principal_if_any(connection: HTTPConnection, check: Authorize) -> Principal | None:
    """Return who uses a public route; None without a valid credential. Raises other errors of ``check``."""
    try:
        return await check(connection)
    except SttError as error:
        if error.code != "unauthorized":
            raise
        return None


def principal_of(connection: HTTPConnection) -> Principal:
    """Return who uses a route that is not public."""
    principal: Principal = connection.state.principal
    return principal
