"""The body that gives a known speaker another name."""

import msgspec

from stt_shared.contracts.errors import SttError


class _Rename(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


_decode = msgspec.json.Decoder(_Rename).decode

RENAME_OPENAPI = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["name"],
                    "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 128}},
                }
            }
        },
    }
}
"""OpenAPI of the body."""


def new_name(body: bytes) -> str:
    """Return the name as it was given. Raises SttError bad_config, or bad_message for what is no JSON."""
    try:
        return _decode(body).name
    except msgspec.ValidationError as error:
        raise SttError("bad_config", f'{error}; the body must be like {{"name": "Anna"}}') from None
    except msgspec.DecodeError:
        raise SttError("bad_message", 'the body is no JSON; it must be like {"name": "Anna"}') from None
