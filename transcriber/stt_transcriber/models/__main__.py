"""Command line of the model store: ``python -m stt_transcriber.models pull|list|verify [NAME …]``."""

import argparse
import sys
from pathlib import Path

from stt_shared.process.extras import naming_missing_packages

with naming_missing_packages("models"):
    from stt_transcriber.models.commands import list_models, pull_models, verify_models
    from stt_transcriber.models.store import ModelError, default_models_dir, pull


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0 on success, otherwise 1 with one line on stderr."""
    options = _parser().parse_args(arguments)
    models_dir: Path = options.models_dir
    match options.command:
        case "pull":
            lines = pull_models(options.names, models_dir, lambda name, folder: pull(name, folder, _ProgressLine()))
        case "verify":
            lines = verify_models(options.names, models_dir)
        case _:
            lines = list_models(models_dir)
    try:
        for line in lines:
            print(line)  # noqa: T201
    except (ModelError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


class _ProgressLine:
    """Progress output on stderr in steps of 10 %: few lines, even in a build log."""

    def __init__(self) -> None:
        self._last = ("", -1)

    def __call__(self, done_bytes: int, total_bytes: int, text: str) -> None:
        tenth = done_bytes * 10 // total_bytes if total_bytes else 0
        if (text, tenth) != self._last:
            self._last = (text, tenth)
            share = f" {min(tenth, 10) * 10} %" if total_bytes else ""
            print(f"{text}{share}", file=sys.stderr)  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stt_transcriber.models", description="The store of Whisper models.")
    parser.add_argument("--models-dir", type=Path, default=default_models_dir(), help="default: %(default)s")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pull", help="install models").add_argument("names", nargs="+", metavar="NAME")
    commands.add_parser("list", help="show what is installed")
    verify_parser = commands.add_parser("verify", help="compare digests of installed models (all by default)")
    verify_parser.add_argument("names", nargs="*", metavar="NAME")
    return parser


if __name__ == "__main__":
    sys.exit(main())
