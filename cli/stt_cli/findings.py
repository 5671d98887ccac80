"""Findings of a check, on standard output."""

from collections.abc import Sequence

import msgspec

from stt_cli.errors import CliError
from stt_cli.output import print_json
from stt_shared.contracts.findings import Finding, report, report_lines


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print a line for each, or all as a JSON object. Raises CliError, without a message, if one is an error."""
    found = report(findings)
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        print("\n".join(report_lines(findings)))
    if not found.ok:
        raise CliError("")
