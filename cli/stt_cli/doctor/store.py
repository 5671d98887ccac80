"""Facts about the transcript store."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from stt_cli.up.settings import UpSettings
from stt_gateway.store.engine import check_sqlite, database_url, is_sqlite
from stt_gateway.store.failures import StoreError, as_store_error
from stt_gateway.store.maintenance.check import version_finding
from stt_gateway.store.maintenance.contents import version_of
from stt_shared.contracts.findings import Finding, Level


def findings(up: UpSettings) -> Iterator[Finding]:
    """Yield whether the store can be reached, and what the version of its tables means for a start."""
    url = database_url(up.database_url, up.data_dir.expanduser())
    place = url.set(password=None, query={}).render_as_string()
    try:
        if is_sqlite(url):
            check_sqlite()
            if not Path(url.database or "").exists():
                yield Finding("store", Level.OK, f"there is none yet at {place}; the first start creates it")
                return
        with as_store_error(url):
            version = asyncio.run(version_of(url))
    except StoreError as error:
        yield Finding("store", Level.ERROR, str(error), "docs/operations.md, The transcript store")
        return
    yield Finding("store", Level.OK, f"{place} can be read (stt store check looks for damage)")
    yield version_finding(version)
