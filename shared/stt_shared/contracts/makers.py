"""Whose something is: the tenant that it belongs to, and the key that made it."""

import msgspec

LOCAL_TENANT = "local"
"""Tenant of everybody while there are no keys, and of whatever was made then."""


class Maker(msgspec.Struct, frozen=True):
    """Who made a session, job or transcript. ``key_id``: public part of the key, '' without one."""

    tenant: str
    key_id: str


LOCAL_MAKER = Maker(LOCAL_TENANT, "")
"""Everybody while there are no keys."""
