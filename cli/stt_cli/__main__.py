"""Entry point of `stt` and of ``python -m stt_cli``."""

import sys

from stt_shared.process.extras import install_command


def main() -> None:
    """Run the command line, or name the command that installs the packages it lacks."""
    try:
        from stt_cli.main import app
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error.name} is not installed; run: {install_command('cli')}")
    app()


if __name__ == "__main__":
    main()
