"""``python -m fuzz``: sends random input to decoders and to a started suite, and prints counts. Exit 1 when anything
crashed, hung, or ended as `internal` or 5xx; the inputs that did are kept in a folder."""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from fuzz.dialects import DIALECTS
from fuzz.dialects.frame import fuzz_dialect
from fuzz.files import fuzz_files
from fuzz.report import Tally
from fuzz.requests import fuzz_requests
from fuzz.streams import fuzz_streams

PARTS = ("files", "streams", "requests", *DIALECTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"{', '.join(PARTS)}; all without")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--files", type=int, default=500, help="mutated files to decode")
    parser.add_argument("--streams", type=int, default=500, help="mutated live streams to decode")
    parser.add_argument("--requests", type=int, default=5000, help="requests and connections to a started suite")
    parser.add_argument("--messages", type=int, default=5000, help="messages to each dialect of a started suite")
    parser.add_argument("--minutes", type=float, default=5, help="most minutes of each part; the rest is left out")
    parser.add_argument("--out", type=Path, help="folder for the inputs that ended as none may")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    folder = args.out or Path(tempfile.mkdtemp(prefix="fuzz-"))
    print(f"seed {args.seed}", flush=True)
    is_good = True
    for part in args.parts:
        tally = Tally(part, folder, 60 * args.minutes)
        match part:
            case "files":
                fuzz_files(args.files, args.seed, tally)
            case "streams":
                fuzz_streams(args.streams, args.seed, tally)
            case "requests":
                asyncio.run(fuzz_requests(args.requests, args.seed, tally))
            case _:
                asyncio.run(fuzz_dialect(DIALECTS[part], args.messages, args.seed, tally))
        print(tally, flush=True)
        is_good = is_good and not tally.findings
    if not is_good:
        print(f"inputs: {folder}")
    elif args.out is None:
        folder.rmdir()
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
