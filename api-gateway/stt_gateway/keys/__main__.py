"""``python -m stt_gateway.keys``: the commands of ``stt keys`` and ``stt tenants`` without the command line."""

import argparse
import sys

from stt_gateway.core.requests.usage import DEFAULT_DAYS
from stt_gateway.keys import commands, tenant_commands
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.engine import database_url
from stt_shared.contracts.makers import LOCAL_TENANT
from stt_shared.process.folders import prepare_folder
from stt_shared.process.settings import load_settings
from stt_shared.work.service import exit_with_error


def main(arguments: list[str]) -> None:
    """Run one command and exit: 1 for a failure, 2 for a usage error."""
    parser = argparse.ArgumentParser(prog="python -m stt_gateway.keys")
    parts = parser.add_subparsers(dest="command", required=True)
    create = parts.add_parser("create", help="make a key and print it, once")
    create.add_argument("name")
    create.add_argument("--scopes", default=commands.DEFAULT_SCOPES)
    create.add_argument("--tenant", default=LOCAL_TENANT)
    create.add_argument("--days", type=float)
    create.add_argument("--quota", action="append", default=[])
    parts.add_parser("list", help="list all keys").add_argument("--tenant")
    usage = parts.add_parser("usage", help="print what was done with the keys")
    usage.add_argument("--tenant")
    usage.add_argument("--days", type=int, default=DEFAULT_DAYS)
    parts.add_parser("revoke", help="revoke a key").add_argument("id")
    parts.add_parser("delete-tenant", help="delete all of a tenant").add_argument("tenant")
    parts.add_parser("list-tenants", help="list all tenants")
    changed = parts.add_parser("set-tenant", help="set for how many days the transcripts of a tenant are kept")
    changed.add_argument("tenant")
    changed.add_argument("--retention-days", required=True)
    rotate = parts.add_parser("rotate", help="give a key another secret and print it, once")
    rotate.add_argument("id")
    rotate.add_argument("--overlap-s", type=float, default=0.0)
    secret = parts.add_parser("callback-secret", help="print what a tenant checks its callbacks with")
    secret.add_argument("--tenant", default=LOCAL_TENANT)
    given = parser.parse_args(arguments)
    settings = load_settings(GatewaySettings)
    try:
        if given.command == "callback-secret":
            print("\n".join(commands.callback_secrets(settings.callback_keys, given.tenant)))  # noqa: T201
            return
        url = database_url(settings.database_url, settings.data_dir)
        if settings.database_url is None:
            prepare_folder(settings.data_dir, "DATA_DIR")
        match given.command:
            case "create":
                print(commands.create(url, given.name, given.scopes, given.tenant, given.days, given.quota))  # noqa: T201
            case "list":
                print("\n".join(commands.table(url, given.tenant)))  # noqa: T201
            case "usage":
                print("\n".join(commands.usage_table(url, given.tenant, given.days)))  # noqa: T201
            case "revoke":
                commands.revoke(url, given.id)
            case "delete-tenant":
                tenant_commands.delete_tenant(url, given.tenant)
            case "list-tenants":
                print("\n".join(tenant_commands.tenants_table(url)))  # noqa: T201
            case "set-tenant":
                tenant_commands.set_retention(url, given.tenant, given.retention_days)
            case "rotate":
                print(commands.rotate(url, given.id, given.overlap_s))  # noqa: T201
    except commands.KeyCommandError as error:
        exit_with_error(str(error), code=2 if error.is_usage else 1)
    except (OSError, ValueError) as error:
        exit_with_error(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
