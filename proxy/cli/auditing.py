"""`scopegate audit verify`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from proxy.cli.exits import DENIED, OK, USAGE
from proxy.cli.output import complain, print_json
from proxy.credentials import Secret, read_keys
from proxy.telemetry.audit_verify import MAX_FINDINGS, Gap, Report, VerifyError, Wanted, as_json, shown, verify
from proxy.telemetry.chain import START, Tip
from proxy.telemetry.chain_check import Damage, Finding

DAMAGED: Final = DENIED
_ADVICE: Final = {
    Damage.CHANGED: "compare the line with a copy that was shipped elsewhere",
    Damage.REMOVED: "look for the missing lines in a copy, or for a missing file",
    Damage.INSERTED: "do not trust the line",
    Damage.MOVED: "the line itself is genuine, its place is not",
    Damage.CUT: "look for the missing lines in a copy; after a power failure with audit.fsync other than batch, they may be lost",
    Damage.HEAD: "with --partial the log is checked without it",
    Damage.KEY: "if the key was taken into use or given up on purpose, move the older files away and check them apart",
}


def run_verify(files: Sequence[Path], key_file: Path | None, partial: bool, expected: Tip, *, as_json_text: bool) -> int:
    """Check the chain of an audit log and print what was found."""
    try:
        keys = _keys(key_file)
        report = verify(files, Wanted(keys, partial, expected))
    except (VerifyError, ValueError) as error:
        complain(str(error))
        return USAGE
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}")
        return USAGE
    if as_json_text:
        print_json(as_json(report))
    else:
        _print(report)
    return DAMAGED if report.damage else OK


def _keys(file: Path | None) -> tuple[Secret, ...]:
    if file is None:
        return ()
    try:
        return read_keys(file.read_text("ascii"))
    except ValueError as error:
        raise VerifyError(f"{file}: {error}") from None


def _print(report: Report) -> None:
    for finding in shown(report.damage):
        click.echo(f"{_place(finding)}: {finding.damage}: {finding.text}{_numbers(finding)}")
    if len(report.damage) > MAX_FINDINGS:
        click.echo(f"... and {len(report.damage) - MAX_FINDINGS} more")
    for kind in dict.fromkeys(finding.damage for finding in report.damage):
        click.echo(f"what to do ({kind}): {_ADVICE[kind]}")
    for gap in report.gaps:
        click.echo(f"{gap.file}:{gap.line}: gap: {gap.missing} events could not be written {_span(gap)}")
    for note in report.notes:
        click.echo(f"note: {note}")
    counted = f"{report.lines} lines in {len(report.files)} file{'s' if len(report.files) != 1 else ''}, {report.decisions} decisions"
    click.echo(f"{'DAMAGED' if report.damage else 'OK'}: {counted}, numbers {report.began} to {report.tip.sequence}")
    if report.tip != START:
        click.echo(f"last line: {report.tip.sequence}:{report.tip.hash.decode('ascii')} (keep it elsewhere and give it to --expect later)")


def _place(finding: Finding) -> str:
    return f"{finding.file}:{finding.line}" if finding.line else finding.file


def _numbers(finding: Finding) -> str:
    if not finding.first:
        return ""
    return f" (number {finding.first})" if finding.first == finding.last else f" (numbers {finding.first} to {finding.last})"


def _span(gap: Gap) -> str:
    since, until = (datetime.fromtimestamp(at / 1e3, UTC).isoformat(timespec="milliseconds") for at in (gap.since, gap.until))
    return f"between {since} and {until}"
