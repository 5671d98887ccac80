"""``python -m containers``: builds the images, kills and stops containers while sessions speak, and counts words.
Exit 1 when the count is not exact."""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from pathlib import Path

from support.machine import machine

from containers.compose import Compose, run, why_no_engine
from containers.faults import ROUNDS, Report, play
from containers.suite import running


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=60.0, help="no further fault after this time")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--out", type=Path, help="file for the JSON report")
    args = parser.parse_args()
    if reason := why_no_engine():
        sys.exit(f"error: {reason}")
    report = asyncio.run(_count(args))
    document = {
        "machine": machine(),
        "docker": run("docker", "version", "--format", "{{.Server.Version}}").strip(),
        "seed": args.seed,
        **report.as_json(),
    }
    text = json.dumps(document, indent=2)
    print(text)
    if args.out:
        args.out.write_text(text + "\n")
    sys.exit(not report.count.is_exact)


async def _count(args: argparse.Namespace) -> Report:
    rng = random.Random(args.seed)
    kinds = itertools.chain.from_iterable(rng.sample(ROUNDS, len(ROUNDS)) for _ in itertools.count())
    until = time.monotonic() + args.minutes * 60
    rounds = itertools.takewhile(lambda _: time.monotonic() < until, itertools.islice(kinds, args.faults))

    def tell(number: int, report: Report) -> None:
        print(f"{number} of {args.faults} faults, {report.hit} sessions hit", file=sys.stderr, flush=True)

    await asyncio.to_thread(Compose(), "build")
    async with running() as suite:
        return await play(suite, rounds, seed=args.seed, sessions=args.sessions, tell=tell)


if __name__ == "__main__":
    main()
