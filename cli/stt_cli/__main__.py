"""Entry point of `stt` and of ``python -m stt_cli``."""

import os
import sys

from stt_shared.process.extras import naming_missing_packages


def main() -> None:
    """Run the command line, or name the command that installs the packages it lacks."""
    with naming_missing_packages("cli"):
        from stt_cli.main import app
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # which Python would do later, with a traceback
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
