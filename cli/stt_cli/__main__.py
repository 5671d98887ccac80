"""Entry point of `stt` and of ``python -m stt_cli``."""

from stt_shared.process.extras import naming_missing_packages


def main() -> None:
    """Run the command line, or name the command that installs the packages it lacks."""
    with naming_missing_packages("cli"):
        from stt_cli.main import app
    app()


if __name__ == "__main__":
    main()
