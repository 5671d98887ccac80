"""Parameters of requests, declared once per endpoint.

A declaration gives the parser, the refusal of other names and the description in OpenAPI. An error names the parameter,
the value found and what is allowed.
"""

import difflib
import enum
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from stt_shared.contracts.errors import SttError

MAX_LABEL_CHARS = 128
MAX_NUMBER = 999_999_999

Value = TypeVar("Value")
Member = TypeVar("Member", bound=enum.StrEnum)


class NotAllowed(Exception):
    """Refusal of a value; the message says what the parameter must be."""


@dataclass(frozen=True)
class Parameter(Generic[Value]):
    """Declaration of one parameter.

    ``parse`` converts a value and raises NotAllowed. ``schema``: the allowed values, as JSON Schema. ``is_secret``: no
    error repeats the value.
    """

    name: str
    default: Value
    parse: Callable[[str], Value]
    schema: Mapping[str, Any]
    description: str
    is_secret: bool = False

    def openapi_schema(self) -> dict[str, Any]:
        """Return the JSON Schema with the default and the description."""
        default = {} if self.default is None else {"default": self.default}
        return {**self.schema, **default, "description": self.description}


class Given:
    """Parameters of one request. Values are parsed when they are read, which raises SttError bad_config."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __contains__(self, parameter: Parameter[Any]) -> bool:
        return parameter.name in self._values

    def __getitem__(self, parameter: Parameter[Value]) -> Value:
        return self.get(parameter, parameter.default)

    def get(self, parameter: Parameter[Value], default: Value) -> Value:
        """Return the parsed value, or ``default`` if the client gave none."""
        value = self._values.get(parameter.name)
        if value is None:
            return default
        try:
            return parameter.parse(value)
        except NotAllowed as error:
            shown = parameter.name if parameter.is_secret else f"{parameter.name}={quoted(value)}"
            message = f"{shown} is not allowed; {parameter.name} must be {error}"
            raise SttError("bad_config", message, param=parameter.name) from None


class Parameters:
    """All parameters of an endpoint."""

    def __init__(self, *declared: Parameter[Any]) -> None:
        self._declared = declared
        self.names = tuple(parameter.name for parameter in declared)

    def parse(self, pairs: Iterable[tuple[str, str]]) -> Given:
        """Return what a client gave. Raises SttError bad_config for a name that is unknown or given twice."""
        values: dict[str, str] = {}
        for name, value in pairs:
            if name not in self.names:
                allowed = ", ".join(self.names)
                message = f"unknown parameter {quoted(name)}; allowed are {allowed}"
                raise SttError("bad_config", message, param=name[:64])
            if name in values:
                raise SttError("bad_config", f"{name} is given twice; once is allowed", param=name)
            values[name] = value
        return Given(values)

    def openapi_query(self) -> list[dict[str, Any]]:
        """Return the query parameters of an OpenAPI operation."""
        return [
            {"name": one.name, "in": "query", "required": False, "schema": one.openapi_schema()}
            for one in self._declared
        ]

    def openapi_properties(self) -> dict[str, Any]:
        """Return the fields of a form, as properties of its schema."""
        return {one.name: one.openapi_schema() for one in self._declared}


def check_unlike(name: str, known: Collection[str]) -> None:
    """Raise SttError bad_config for a name that is ignored, but is almost one of ``known``.

    Who misspells `redact` must learn it.
    """
    for close in difflib.get_close_matches(name[:64], known, n=1, cutoff=0.8):
        raise SttError("bad_config", f"unknown field {quoted(name)}; did you mean {close}?", param=name[:64])


def quoted(value: str) -> str:
    """Format a client's value for a message: quoted, control characters escaped, at most 64 characters of it."""
    return repr(value if len(value) <= 64 else value[:61] + "...")


def number(name: str, least: int, most: int, default: int, description: str) -> Parameter[int]:
    """Declare a whole number from ``least`` to ``most``."""

    return Parameter(name, default, _number_parser(least, most), _number_schema(least, most), description)


def optional_number(name: str, least: int, most: int, description: str) -> Parameter[int | None]:
    """Declare a whole number from ``least`` to ``most`` without a default."""
    return Parameter(name, None, _number_parser(least, most), _number_schema(least, most), description)


def _number_parser(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        # int() also accepts digits of other scripts, and refuses very long numbers with an error of its own.
        if not (value.isascii() and value.isdigit() and len(value) <= 9 and least <= int(value) <= most):
            raise NotAllowed(f"a whole number from {least} to {most}")
        return int(value)

    return parse


def _number_schema(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


def choice(name: str, kind: type[Member], default: Member, description: str) -> Parameter[Member]:
    """Declare one of the members of ``kind``, by its value."""
    return Parameter(name, default, member_parser(kind), member_schema(kind), description)


def member_parser(kind: type[Member]) -> Callable[[str], Member]:
    """Return the parser of the members of ``kind``."""

    def parse(value: str) -> Member:
        try:
            return kind(value)
        except ValueError:
            raise NotAllowed("one of " + ", ".join(kind)) from None

    return parse


def member_schema(kind: type[enum.StrEnum]) -> dict[str, Any]:
    """Return the schema of the members of ``kind``."""
    return {"type": "string", "enum": [member.value for member in kind]}


def flag(name: str, default: bool, description: str) -> Parameter[bool]:
    """Declare a boolean."""

    def parse(value: str) -> bool:
        if value not in ("true", "1", "false", "0"):
            raise NotAllowed("true or false")
        return value in ("true", "1")

    return Parameter(name, default, parse, {"type": "boolean"}, description)


def text(name: str, max_chars: int, description: str) -> Parameter[str | None]:
    """Declare a text of at most ``max_chars`` characters."""

    def parse(value: str) -> str | None:
        check_length(value, max_chars)
        return value

    return Parameter(name, None, parse, {"type": "string", "maxLength": max_chars}, description)


def label(name: str, description: str) -> Parameter[str | None]:
    """Declare an id that clients choose freely, of at most MAX_LABEL_CHARS characters."""

    def parse(value: str) -> str | None:
        check_id(value)
        return value

    return Parameter(name, None, parse, {"type": "string", "maxLength": MAX_LABEL_CHARS}, description)


def check_id(value: str) -> None:
    """Raise NotAllowed for an id that is too long or has control characters, which stores and logs change or drop."""
    check_length(value, MAX_LABEL_CHARS)
    if any(unicodedata.category(char) == "Cc" for char in value):
        raise NotAllowed("without control characters")


def check_length(value: str, max_chars: int) -> None:
    """Raise NotAllowed for a value that is too long."""
    if len(value) > max_chars:
        raise NotAllowed(f"at most {max_chars} characters long (it has {len(value)})")


def upload_form(properties: Mapping[str, Any], required: Sequence[str] = ("file",)) -> dict[str, Any]:
    """Return the OpenAPI of a multipart body with these fields, in the form of ``openapi_extra``."""
    schema = {"type": "object", "required": [*required], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
