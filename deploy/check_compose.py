"""Reads docker-compose.yml as Compose would, with every variable at its default, and checks it against the
specification (package `compose-spec`). Needs no Docker. Exit 0 when it keeps to it."""

import pathlib
import re
import sys
from typing import Any

import compose_spec
import yaml

VARIABLE = re.compile(r"\$\{(\w+):-([^${}]*)\}")
"""The innermost of variables that stand in each other's defaults."""


def with_defaults(node: Any) -> Any:
    """The same tree with ``${NAME:-default}`` replaced by its default, also within another default."""
    if isinstance(node, dict):
        return {key: with_defaults(value) for key, value in node.items()}
    if isinstance(node, list):
        return [with_defaults(value) for value in node]
    while isinstance(node, str) and VARIABLE.search(node):
        node = VARIABLE.sub(r"\2", node)
    return node


def main() -> int:
    """Prints the services, or why the file is refused."""
    path = pathlib.Path(__file__).parent.parent / "docker-compose.yml"
    try:
        compose = compose_spec.PyCompose.from_yaml(yaml.safe_dump(with_defaults(yaml.safe_load(path.read_text()))))
    except (TypeError, ValueError, yaml.YAMLError) as error:
        print(f"docker-compose.yml: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"docker-compose.yml: keeps to the specification ({', '.join(compose.service_names())})")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
