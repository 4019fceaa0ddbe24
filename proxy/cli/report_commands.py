"""The group `scopegate report`: options, help texts, examples. `reporting.py` does the work."""
# ruff: noqa: PLC0415 - help texts and usage errors must not wait for the proxy's modules to be imported

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FORMATS: Final = click.Choice(["text", "json", "markdown", "csv", "html"])
_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@click.group()
def report() -> None:
    """Report what the proxy has gathered.

    Asks a running proxy, or with --config reads the store of a configuration; that works while no proxy runs, too.

    \b
    Example:
      scopegate report least-privilege --since 90d
    """


def report_options(command: _Command) -> _Command:
    """Add what every report takes."""
    options = (
        click.option("--config", "file", type=_FILE, help="Read the store of this configuration instead of asking a running proxy."),
        click.option("--admin", help="Where the running proxy's admin listener is (default http://127.0.0.1:9090)."),
        click.option("--vendor", default="", help="Only this vendor."),
        click.option("--client", default="", help="Only this app."),
        click.option("--since", default="", help="Only use since then: days such as 30d, or a date such as 2026-11-01."),
        click.option("--min-days", type=click.IntRange(1, 3650), default=30, show_default=True, help="Days a window should have."),
        click.option("--format", "output_format", type=_FORMATS, default="text", show_default=True, help="How it is written."),
        click.option("--output", type=_FILE, help="Write to this file instead of standard output."),
    )
    for option in reversed(options):
        command = option(command)
    return command


_by = click.option(
    "--by",
    type=click.Choice(["client", "subject"]),
    default="client",
    show_default=True,
    help="Tell the tokens' subjects (users) apart, too.",
)


@report.command("usage")
@report_options
@_by
def usage(**options: Any) -> int:
    """Report which operations and scopes each app used with success.

    First, last, how often, on how many days. Refused, denied and failed calls are not in it.

    \b
    Example:
      scopegate report usage --client call-archiver --since 30d
    """
    from proxy.cli import reporting

    return reporting.report("usage", reporting.Wanted(**options))


@report.command("least-privilege")
@report_options
@_by
@click.option("--fail-on-unused", is_flag=True, help="Exit with 3 if anything granted is unused, for pipelines.")
def least_privilege(fail_on_unused: bool, **options: Any) -> int:
    """Report granted against used scopes, per app.

    The exact smallest scope sets that would have carried the observed calls, what is granted and unused, what was used but never
    seen granted, what could not be mapped, and what speaks against trusting the result blindly.

    \b
    Example:
      scopegate report least-privilege --format html --output scopes.html
      scopegate report least-privilege --client call-archiver --fail-on-unused
    """
    from proxy.cli import reporting

    return reporting.report("least-privilege", reporting.Wanted(**options), fail=fail_on_unused)


@report.command("readiness")
@click.option("--config", "file", type=_FILE, help="Read the store of this configuration instead of asking a running proxy.")
@click.option("--admin", help="Where the running proxy's admin listener is (default http://127.0.0.1:9090).")
@click.option("--vendor", default="", help="Only this vendor.")
@click.option("--client", default="", help="Only this app.")
@click.option("--format", "output_format", type=_FORMATS, default="text", show_default=True, help="How it is written.")
@click.option("--output", type=_FILE, help="Write to this file instead of standard output.")
@click.option("--fail-on-not-ready", is_flag=True, help="Exit with 3 unless everything in the report is ready, for pipelines.")
def readiness(fail_on_not_ready: bool, **options: Any) -> int:
    """Report whether it is safe to enforce.

    Predictions compared with the vendor's real answers, per vendor, client and operation: correct, false denials, missed denials,
    not comparable. Ready needs enough scored calls and no false denial.

    \b
    Example:
      scopegate report readiness --vendor ringcentral
      scopegate report readiness --config config/scopegate.yaml --fail-on-not-ready
    """
    from proxy.cli import readiness_reporting

    return readiness_reporting.report(readiness_reporting.Wanted(**options), fail=fail_on_not_ready)
