"""`stt keys`: make, list, revoke and rotate API keys in the database of this machine's settings."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import URL

from stt_cli.errors import CliError
from stt_cli.up.settings import load_up_settings
from stt_gateway.keys import commands
from stt_gateway.store.engine import database_url
from stt_shared.process.folders import UnusableFolder, prepare_folder

T = TypeVar("T")


def create_key(name: str, scopes: str | None, tenant: str | None, days: float | None) -> None:
    """Make a key and print it. Raises CliError."""
    given = {"scopes": scopes, "tenant": tenant, "days": days}
    wanted = {name: value for name, value in given.items() if value is not None}
    print(_on_database(lambda url: commands.create(url, name, **wanted)))  # type: ignore[arg-type]


def list_keys(tenant: str | None) -> None:
    """Print a table of the keys. Raises CliError."""
    print("\n".join(_on_database(lambda url: commands.table(url, tenant))))


def revoke_key(id: str) -> None:
    """Revoke a key. Raises CliError."""
    _on_database(lambda url: commands.revoke(url, id))


def rotate_key(id: str, overlap_s: float) -> None:
    """Give a key another secret and print it. Raises CliError."""
    print(_on_database(lambda url: commands.rotate(url, id, overlap_s)))


def _on_database(command: Callable[[URL], T]) -> T:
    settings = load_up_settings({})
    data_dir = settings.data_dir.expanduser().absolute()
    try:
        if settings.database_url is None:
            prepare_folder(data_dir, "DATA_DIR")
        return command(database_url(settings.database_url, data_dir))
    except UnusableFolder as error:
        raise CliError(str(error)) from None
    except commands.KeyCommandError as error:
        raise CliError(str(error), exit_code=2 if error.is_usage else 1) from None
