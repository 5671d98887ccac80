"""``python -m stt_gateway.store``: the commands of ``stt store`` without the command line."""

import argparse
import sys
from pathlib import Path

import msgspec

from stt_gateway.settings import GatewaySettings
from stt_gateway.store.engine import database_url
from stt_gateway.store.failures import StoreError
from stt_gateway.store.maintenance.backup import backup, restore
from stt_gateway.store.maintenance.check import check
from stt_gateway.store.maintenance.progress import no_progress
from stt_gateway.store.maintenance.reindexing import reindex
from stt_shared.contracts.findings import report, report_lines
from stt_shared.process.settings import load_settings
from stt_shared.work.service import exit_with_error


def main(arguments: list[str]) -> None:
    """Run one command and exit: 1 for a failure, 2 for a usage error."""
    parser = argparse.ArgumentParser(prog="python -m stt_gateway.store")
    parts = parser.add_subparsers(dest="command", required=True)
    parts.add_parser("backup", help="write the store into a new file").add_argument("file", type=Path)
    restored = parts.add_parser("restore", help="put a backup into an empty store")
    restored.add_argument("file", type=Path)
    restored.add_argument("--replace", action="store_true", help="in place of all that is in the store")
    parts.add_parser("reindex", help="build the search index again")
    parts.add_parser("check", help="look for damage").add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    settings = load_settings(GatewaySettings)
    try:
        url = database_url(settings.database_url, settings.data_dir)
        match given.command:
            case "backup":
                backup(url, given.file)
            case "restore":
                restore(url, given.file, replace=given.replace)
            case "reindex":
                reindex(url, no_progress)
            case "check":
                found = report(check(url))
                as_json = [msgspec.json.encode(found).decode()]
                print("\n".join(as_json if given.json else report_lines(found.findings)))  # noqa: T201
                raise SystemExit(0 if found.ok else 1)
    except (StoreError, ValueError) as error:
        exit_with_error(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
