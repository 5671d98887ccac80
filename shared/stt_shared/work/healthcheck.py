"""Health check of a container: ``python -m stt_shared.work.healthcheck`` reads what its replica writes to HEALTH_FILE.

The replica renews the file from a separate thread, so a process that runs but makes no progress is reported as such.

With ``--ignore-redis`` a Redis that cannot be used is no trouble: for a check whose failure restarts the process, which
would not bring Redis back.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from stt_shared.work.health_file import find_problem


def main() -> None:
    """Exit with 0 when the replica is healthy, 1 and one line when it is not, 2 on wrong usage."""
    parser = argparse.ArgumentParser(prog="stt_shared.work.healthcheck", description="Check this container's replica.")
    parser.add_argument("--ignore-redis", action="store_true", help="exit with 0 while Redis cannot be used")
    options = parser.parse_args()
    path = os.environ.get("HEALTH_FILE")
    if not path:
        parser.error("HEALTH_FILE does not say where the replica writes its state")
    trouble = find_problem(Path(path), time.time(), ignore_redis=options.ignore_redis)
    if trouble is not None:
        print(trouble, file=sys.stderr)  # noqa: T201
        raise SystemExit(1)


if __name__ == "__main__":
    main()
