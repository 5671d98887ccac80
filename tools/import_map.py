"""Draws docs/map.md, the map of imports, from the code: `make map`. With --check, only compares."""

import sys
from pathlib import Path

import grimp

DOCUMENT = Path(__file__).parents[1] / "docs" / "map.md"
HEAD = """# Map of imports

Drawn from the code by `make map`. Arrows point from the importer to the imported; an arrow that follows from others is
left out, and so are the modules that start and wire a process. `make check` refuses imports against the arrows.
"""
PACKAGES = {
    "stt_cli": "cli",
    "stt_gateway": "api-gateway",
    "stt_audio": "audio-processor",
    "stt_transcriber": "transcriber",
    "stt_shared": "shared",
    "stt_client": "client",
}
WIRING = ("__main__", "main", "app", "settings", "errors")
"""Modules that everything imports, or that import everything: they would hide the rest."""

Edges = dict[str, set[str]]


def imports_between(graph: grimp.ImportGraph, depth: int, inside: str = "") -> Edges:
    """Imports between packages (depth 1), or between the folders and modules of one package (depth 2)."""
    edges: Edges = {}
    for module in sorted(graph.modules):
        importer = module.split(".")[:depth]
        if len(importer) < depth or (inside and importer[0] != inside) or importer[-1] in WIRING:
            continue
        imported = edges.setdefault(".".join(importer), set())
        for other in graph.find_modules_directly_imported_by(module):
            target = other.split(".")[:depth]
            is_other = len(target) == depth and target != importer and target[-1] not in WIRING
            if is_other and (not inside or target[0] == inside):
                imported.add(".".join(target))
    return edges


def reachable(edges: Edges, start: str, without: tuple[str, str] | None = None) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        new = {target for target in edges[node] if (node, target) != without} - found
        found |= new
        waiting += new
    return found


def necessary(edges: Edges) -> list[tuple[str, str]]:
    """The imports that do not follow from others. Exits when there is a cycle."""
    if cycle := [node for node in edges if node in reachable(edges, node)]:
        sys.exit(f"error: these import each other: {', '.join(cycle)}")
    pairs = [(node, target) for node in sorted(edges) for target in sorted(edges[node])]
    return [pair for pair in pairs if pair[1] not in reachable(edges, pair[0], without=pair)]


def mermaid(edges: Edges, label: str, names: dict[str, str]) -> str:
    """A flowchart of ``edges``, from importer to imported."""
    lines = ["```mermaid", "flowchart TB"]
    lines += [f'    {node.replace(".", "_")}["{names.get(node, node.rpartition(".")[2])}"]' for node in sorted(edges)]
    lines += [f"    {a.replace('.', '_')} --> {b.replace('.', '_')}" for a, b in necessary(edges)]
    return "\n".join([f"## {label}", "", *lines, "```"])


def drawn() -> str:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    maps = [mermaid(imports_between(graph, 1), "The packages", PACKAGES)]
    maps += [mermaid(imports_between(graph, 2, name), f"`{name}`", {}) for name in PACKAGES]
    return "\n".join([HEAD, "\n\n".join(maps), ""])


def main() -> None:
    text = drawn()
    if "--check" not in sys.argv:
        DOCUMENT.write_text(text)
    elif not DOCUMENT.is_file() or DOCUMENT.read_text() != text:
        sys.exit("error: docs/map.md is out of date; run `make map`")


if __name__ == "__main__":
    main()
