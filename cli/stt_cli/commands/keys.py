"""`stt keys`: make, list, revoke and rotate API keys, in the database of this machine's settings."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import URL

from stt_cli.errors import CliError
from stt_cli.output import print_json
from stt_cli.up.settings import load_up_settings
from stt_gateway.keys import commands
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.engine import database_url
from stt_shared.contracts.makers import LOCAL_TENANT
from stt_shared.process.audit import AuditTrail, system_account
from stt_shared.process.folders import UnusableFolder, prepare_folder
from stt_shared.process.settings import load_settings

T = TypeVar("T")


def create_key(
    name: str, scopes: str | None, tenant: str | None, days: float | None, quotas: Sequence[str] = ()
) -> None:
    """Make a key and print it. Raises CliError."""
    given = {"scopes": scopes, "tenant": tenant, "days": days, "quotas": quotas or None}
    wanted = {name: value for name, value in given.items() if value is not None}
    text = on_database(lambda url: commands.create(url, name, **wanted))  # type: ignore[arg-type]
    _record("create_key", _id_of(text))
    print(text)


def list_keys(tenant: str | None, *, as_json: bool) -> None:
    """Print the keys. Raises CliError."""
    show(as_json, lambda url: commands.views(url, tenant), lambda url: commands.table(url, tenant))


def print_usage(tenant: str | None, days: int, *, as_json: bool) -> None:
    """Print what was done with the keys. Raises CliError."""
    show(
        as_json,
        lambda url: commands.usage_views(url, tenant, days),
        lambda url: commands.usage_table(url, tenant, days),
    )


def revoke_key(id: str) -> None:
    """Revoke a key. Raises CliError."""
    on_database(lambda url: commands.revoke(url, id))
    _record("revoke_key", id)


def rotate_key(id: str, overlap_s: float) -> None:
    """Give a key another secret and print it. Raises CliError."""
    text = on_database(lambda url: commands.rotate(url, id, overlap_s))
    _record("rotate_key", id)
    print(text)


def callback_secret(tenant: str | None) -> None:
    """Print what a tenant checks its callbacks with. Raises CliError."""
    keys = load_settings(GatewaySettings).callback_keys
    try:
        print("\n".join(commands.callback_secrets(keys, tenant or LOCAL_TENANT)))
    except commands.KeyCommandError as error:
        raise CliError(str(error)) from None


def _id_of(key: str) -> str:
    """Return the public part of a key, ``stt_<id>_<secret>``."""
    return key.split("_")[1]


def _record(action: str, key_id: str) -> None:
    settings = load_up_settings({})
    trail = AuditTrail(settings.audit_log, logs=False)
    trail.record(action, status=200, target={"id": key_id}, user=system_account())


def show(as_json: bool, views: Callable[[URL], dict[str, Any]], table: Callable[[URL], list[str]]) -> None:
    """Print what the database of this machine's settings holds: for programs, or lines of a table. Raises CliError."""
    if as_json:
        print_json(on_database(views))
    else:
        print("\n".join(on_database(table)))


def on_database(command: Callable[[URL], T]) -> T:
    """Run a command on the database of this machine's settings. Raises CliError."""
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
