"""Command line of the model store: ``python -m stt_transcriber.models pull|list|verify [NAME …]``."""

import argparse
import sys
from pathlib import Path

from stt_transcriber.models.store import ModelError, default_models_dir, installed, pull, verify


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0 on success, otherwise 1 with one line on stderr."""
    options = _parser().parse_args(arguments)
    models_dir: Path = options.models_dir
    try:
        if options.command == "pull":
            for name in options.names:
                _say(f"{name}: {pull(name, models_dir, _ProgressLine())}")
        elif options.command == "verify":
            for name in options.names or [model.name for model in installed(models_dir)]:
                verify(name, models_dir)
                _say(f"{name}: ok")
        else:
            for model in installed(models_dir):
                _say(f"{model.name}\t{model.size_bytes / 1e6:.0f} MB\t{model.source}\t{model.path}")
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


def _say(line: str) -> None:
    print(line)  # noqa: T201


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
