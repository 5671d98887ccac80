"""``python -m chaos``: plays the scenarios, prints a table, writes JSON. Exit 1 when a count was not exact, or a
negative twin's was."""

import argparse
import fnmatch
import random
import sys
from pathlib import Path

import uvloop

import chaos.scenarios  # noqa: F401  fills the registry
from chaos.report import Row, print_report, print_row, write_report
from chaos.run import REGISTRY, play_all


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=["*"], help="names or patterns; all without")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--scale", type=float, default=1.0, help="stretches the rounds of every scenario")
    parser.add_argument("--short", action="store_true", help="one round each; without names only the main ones")
    parser.add_argument("--out", type=Path, help="file for the JSON report")
    parser.add_argument("--logs", type=Path, help="folder for the services' logs")
    parser.add_argument("--list", action="store_true", help="only names the scenarios")
    args = parser.parse_args()
    if args.short and args.scenarios == ["*"]:
        args.scenarios = [each.name for each in REGISTRY.values() if each.short]
    chosen = [
        each for each in REGISTRY.values() if any(fnmatch.fnmatch(each.name, pattern) for pattern in args.scenarios)
    ]
    if args.list:
        for each in chosen:
            print(f"{each.name:28} {each.about}")
        return
    if not chosen:
        sys.exit(f"error: no scenario is called {' '.join(args.scenarios)}; --list names them")
    options = {"seed": args.seed, "scale": args.scale, "short": args.short, "keep_logs": args.logs}
    finished: list[Row] = []

    def tell(row: Row) -> None:
        """Written each time: a run that is stopped keeps what it has counted."""
        print_row(row)
        finished.append(row)
        if args.out:
            write_report(finished, args.seed, args.out)

    rows = uvloop.run(play_all(chosen, **options, tell=tell))
    print_report(rows, args.seed)
    if args.out:
        write_report(rows, args.seed, args.out)
    sys.exit(not all(row.is_good for row in rows))


if __name__ == "__main__":
    main()
