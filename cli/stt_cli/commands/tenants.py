"""`stt tenants`: list, change and delete tenants, in the database of this machine's settings."""

from typing import Any

from stt_cli.commands.keys import on_database, show
from stt_cli.up.settings import load_up_settings
from stt_gateway.keys import tenant_commands
from stt_shared.process.audit import AuditTrail, system_account


def list_tenants(*, as_json: bool) -> None:
    """Print the tenants. Raises CliError."""
    show(as_json, tenant_commands.tenant_views, tenant_commands.tenants_table)


def set_tenant(name: str, retention_days: str) -> None:
    """Set for how long a tenant's transcripts are kept, and record it. Raises CliError."""
    on_database(lambda url: tenant_commands.set_retention(url, name, retention_days))
    _record("change_tenant", 200, name, retention_days=retention_days)
    print(f"{name}: what is stored already expires by it once a gateway has run for a minute")


def delete_tenant(name: str) -> None:
    """Have a tenant deleted, and say by whom and when. Raises CliError."""
    on_database(lambda url: tenant_commands.delete_tenant(url, name))
    _record("delete_tenant", 202, name)
    print(f"{name}: its keys are revoked; a running gateway deletes the rest within a minute, otherwise the next start")


def _record(action: str, status: int, name: str, **what: Any) -> None:
    trail = AuditTrail(load_up_settings({}).audit_log, logs=False)
    trail.record(action, status=status, target={"name": name}, user=system_account(), **what)
