"""Findings of checks: what was looked at, whether it is as it should be, and what to do if not."""

import enum
from collections.abc import Sequence

import msgspec


class Level(enum.StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True):
    """What a check has found. ``remedy``: what to do about it, '' if nothing."""

    check: str
    level: Level
    message: str
    remedy: str = ""


class Report(msgspec.Struct, frozen=True):
    """All findings of a command, as programs read them."""

    ok: bool
    findings: Sequence[Finding]


def report(findings: Sequence[Finding]) -> Report:
    """Return a report; it is ok if no finding is an error."""
    return Report(all(one.level is not Level.ERROR for one in findings), findings)


def report_lines(findings: Sequence[Finding]) -> list[str]:
    """Return a line for each finding, with its remedy."""
    width = max((len(one.check) for one in findings), default=0)
    return [
        f"{one.level:<7}  {one.check:<{width}}  {one.message}{'; ' if one.remedy else ''}{one.remedy}"
        for one in findings
    ]
