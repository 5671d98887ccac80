"""The transcript store that 0.1.0 left behind, with three transcripts."""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
from sqlalchemy import URL

_DATA = Path(__file__).parents[1] / "data"


def store_of_0_1_0(url: URL) -> None:
    """Make the database that 0.1.0 left behind."""
    kind = url.get_backend_name()
    script = (_DATA / f"store_0.1.0_{kind}.sql").read_text()
    if kind == "sqlite":
        path = Path(url.database or "")
        path.parent.mkdir(parents=True)
        with closing(sqlite3.connect(path)) as file:
            file.executescript(script)
    else:
        with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as server:
            server.execute(script.encode())
