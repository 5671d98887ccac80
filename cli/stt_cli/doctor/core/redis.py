"""Rules about a Redis server that answers and grants all rights."""

from typing import Any

from stt_gateway.core.operation.health import NEARLY_FULL_SHARE, used_share
from stt_shared.contracts.findings import Finding, Level

_SKEW_S = 2.0
"""Difference of clocks above which times that one machine writes and another compares are noticeably wrong."""


def persistence_finding(keeps_log: bool) -> Finding:
    """``keeps_log``: whether the server writes an append-only file."""
    if keeps_log:
        return Finding("redis persistence", Level.OK, "it keeps an append-only file")
    message = "without an append-only file a restart loses all jobs; clients that resume rebuild their live sessions"
    return Finding("redis persistence", Level.WARNING, message, "set appendonly yes, unless audio must not be on disk")


def memory_finding(memory: dict[str, Any]) -> Finding:
    """``memory``: the reply to INFO memory."""
    limit, policy = int(memory.get("maxmemory", 0)), str(memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        message = f"maxmemory-policy is {policy}: when Redis is full it deletes sessions and jobs"
        return Finding("redis memory", Level.ERROR, message, "CONFIG SET maxmemory-policy noeviction")
    if not limit:
        message = "maxmemory is not set: when the machine has no memory left, the system kills Redis"
        return Finding("redis memory", Level.WARNING, message, "set maxmemory to what Redis may take, such as 1gb")
    share = used_share(memory)
    if share > NEARLY_FULL_SHARE:
        return Finding("redis memory", Level.ERROR, f"{share:.0%} of maxmemory is used", "raise maxmemory")
    return Finding("redis memory", Level.OK, f"{share:.0%} of {limit / 1e9:.1f} GB is used, and nothing is evicted")


def clock_finding(skew_s: float) -> Finding:
    """``skew_s``: how far the server's clock is ahead of this machine's."""
    if abs(skew_s) <= _SKEW_S:
        return Finding("redis clock", Level.OK, "it agrees with this machine's")
    ahead = "ahead of" if skew_s > 0 else "behind"
    message = f"it is {abs(skew_s):.0f} s {ahead} this machine's: waits, quotas and tokens are off by that"
    return Finding("redis clock", Level.WARNING, message, "keep the clocks of all machines right with NTP")
