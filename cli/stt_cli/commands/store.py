"""`stt store`: back up, restore, check and reindex the transcript store of this machine's settings."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from sqlalchemy import URL

from stt_cli.errors import CliError
from stt_cli.findings import print_findings
from stt_cli.up.settings import load_up_settings
from stt_gateway.store.engine import database_url
from stt_gateway.store.failures import StoreError
from stt_gateway.store.maintenance import backup as backups
from stt_gateway.store.maintenance import check as checks
from stt_gateway.store.maintenance import reindexing
from stt_gateway.store.maintenance.progress import Progress as Show
from stt_shared.process.audit import AuditTrail, system_account


def backup(file: Path) -> None:
    """Write the store into a new file, and record it. Raises CliError."""
    with _store_errors(), _shown() as show:
        backups.backup(_url(), file, show)
    _record("backup_store")
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


def restore(file: Path, *, replace: bool) -> None:
    """Put a backup into the store, and record it. Raises CliError."""
    with _store_errors(), _shown() as show:
        backups.restore(_url(), file, replace=replace, progress=show)
    _record("restore_store")
    print("restored; whatever was deleted since the backup is back")


def check(*, as_json: bool) -> None:
    """Print what a check of the store finds. Raises CliError if there is damage."""
    with _store_errors(), _shown() as show:
        findings = checks.check(_url(), show)
    print_findings(findings, as_json=as_json)


def reindex() -> None:
    """Build the search index again. Raises CliError."""
    with _store_errors(), _shown() as show:
        reindexing.reindex(_url(), show)
    print("the search index matches the transcripts")


def _url() -> URL:
    settings = load_up_settings({})
    return database_url(settings.database_url, settings.data_dir.expanduser())


def _record(action: str) -> None:
    AuditTrail(load_up_settings({}).audit_log, logs=False).record(action, status=200, user=system_account())


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise CliError(str(error)) from None


@contextlib.contextmanager
def _shown() -> Iterator[Show]:
    """Provide a progress bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def show(what: str, done: int, all_: int) -> None:
            bar.update(task, description=what, completed=done, total=all_ or None)

        yield show
