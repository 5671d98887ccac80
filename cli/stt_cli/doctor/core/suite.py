"""Rules about how the suite is set up: who may come, its certificate, its port, its health."""

from datetime import datetime, timedelta

from stt_shared.contracts.findings import Finding, Level
from stt_shared.process.listening import is_loopback

_RENEW_WITHIN = timedelta(days=14)


def auth_finding(address: str, auth: str | None, unguarded: str | None) -> Finding:
    """``unguarded``: why the suite would not start like this."""
    if unguarded is not None:
        return Finding("access", Level.ERROR, unguarded)
    if auth in ("keys", "oidc"):
        return Finding("access", Level.OK, f"AUTH={auth} on {address}")
    if is_loopback(address):
        return Finding("access", Level.OK, f"everybody on this machine ({address}), and nobody else")
    message = f"AUTH=off on {address}: whoever reaches it may read, delete and transcribe"
    return Finding("access", Level.WARNING, message, "set AUTH=keys, and make keys with `stt keys create`")


def certificate_finding(ends: datetime, now: datetime) -> Finding:
    """``ends``: when the certificate expires."""
    told = f"{ends:%Y-%m-%d %H:%M} UTC"
    remedy = "renew it; gateways read the new files by themselves"
    if ends <= now:
        return Finding("certificate", Level.ERROR, f"expired at {told}", remedy)
    if ends - now < _RENEW_WITHIN:
        return Finding("certificate", Level.WARNING, f"valid until {told}", remedy)
    return Finding("certificate", Level.OK, f"valid until {told}")


def port_finding(address: str, port: int, why_not: str | None, status: str) -> Finding:
    """``why_not``: why nothing could listen there, None if it could. ``status``: of a suite that answers there."""
    place = f"{address} port {port}"
    if why_not is None:
        return Finding("port", Level.OK, f"{place} is free; no suite is running there")
    if not status:
        return Finding("port", Level.ERROR, f"{why_not}; no suite answers there")
    return Finding("port", Level.OK, f"{place}: a suite answers")


def health_finding(status: str, unready: str) -> Finding:
    """``unready``: what is not as it should be, '' if the suite does not tell."""
    if status == "healthy":
        return Finding("health", Level.OK, "the running suite is healthy")
    level = Level.WARNING if status == "degraded" else Level.ERROR
    return Finding("health", level, f"the running suite is {status}{': ' if unready else ''}{unready}", "stt health")
