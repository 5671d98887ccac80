"""Versions of the tables: one for each migration."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

_MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "alembic_version"
"""Table whose only row is the version of the others."""


def migration_config() -> Config:
    """Return Alembic's settings for the migrations."""
    config = Config()
    # Config treats percent signs as interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def newest_version() -> str:
    """Return the version that the tables have after all migrations."""
    newest = ScriptDirectory.from_config(migration_config()).get_current_head()
    assert newest is not None
    return newest


def is_known(version: str) -> bool:
    """Return whether the tables can be migrated from a version: a later one is not known."""
    try:
        ScriptDirectory.from_config(migration_config()).get_revision(version)
    except CommandError:
        return False
    return True
