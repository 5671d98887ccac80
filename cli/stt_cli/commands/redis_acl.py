"""`stt redis-acl`: prints the users of Redis, one for each service, as an ACL file."""

import os

from stt_shared.streams.acl import acl_lines


def redis_acl() -> None:
    """Print the lines; the passwords come from the environment, as hashes."""
    print("\n".join(acl_lines(os.environ)))
