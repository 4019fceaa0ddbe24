"""The commands about catalogues: options, help texts, examples."""
# ruff: noqa: PLC0415 - help texts and usage errors must not wait for the proxy's modules to be imported

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from proxy.cli.parameters import DEFAULT_ADMIN, FILE, format_option


@click.group()
def catalog() -> None:
    """List, show and lint vendor operations.

    Catalogues say which operations a vendor has and which scopes they need.

    \b
    Example:
      scopegate catalog list ringcentral --scope ReadCallLog
    """


@catalog.command("list")
@click.argument("source", required=False, metavar="[VENDOR|FILE]")
@click.option("--scope", help="Only operations that can need this scope.")
@click.option("--tag", help="Only operations with this tag.")
@click.option("--grep", help="Only operations whose id, method and path match this regular expression.")
@format_option
def list_operations(source: str | None, scope: str | None, tag: str | None, grep: str | None, output_format: str) -> int:
    """List operations: id, method, path and what they need.

    Of one vendor's shipped catalogue, of a catalogue file, or of all shipped catalogues.

    \b
    Example:
      scopegate catalog list newvoicemedia --grep permissions
    """
    from proxy.cli import cataloguing

    return cataloguing.list_operations(source, cataloguing.Filter(scope, tag, grep), as_json=output_format == "json")


@catalog.command("show")
@click.argument("source", metavar="VENDOR|FILE")
@click.argument("operation")
@format_option
def show_operation(source: str, operation: str, output_format: str) -> int:
    """Show one operation, its scopes, and what to do when they are missing.

    \b
    Example:
      scopegate catalog show ringcentral readCallRecording
    """
    from proxy.cli import cataloguing

    return cataloguing.show_operation(source, operation, as_json=output_format == "json")


@catalog.command("lint")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@format_option
def lint(files: Sequence[Path], output_format: str) -> int:
    """Find what is wrong or lacking in catalogue files.

    Errors (invalid, unreachable): exit code 4. Warnings alone (no remediation, no source, ...): 0.

    \b
    Example:
      scopegate catalog lint config/catalogs/ringcentral.yaml
    """
    from proxy.cli import cataloguing

    return cataloguing.lint(files, as_json=output_format == "json")


@catalog.command("import")
@click.argument("file", metavar="FILE or -")
@click.option("--vendor", required=True, help="The kind of vendor the catalogue is for; generic, unless it is a built-in one.")
@click.option("--output", type=FILE, help="Where to write the catalogue; standard output by default.")
@click.option("--scopes-are", type=click.Choice(["any", "all"]), help="What a flat list of several scopes means, where nothing says so.")
@click.option("--field", default="", help="The member of operations that holds the scopes; security for that of OpenAPI alone.")
@click.option("--base-path", help="What stands before every path; by default what the description says.")
@format_option
def import_catalog(
    file: str, vendor: str, output: Path | None, scopes_are: str | None, field: str, base_path: str | None, output_format: str
) -> int:
    """Make a catalogue from an OpenAPI description.

    Reads OpenAPI 2.0, 3.0 and 3.1, JSON or YAML. Scopes come from the vendor's own member (x-app-permission,
    x-inin-requires-permissions, ... or --field), else from security: all scopes of one object, any of the objects. What cannot be
    read for certain requires unknown, or is left out, and is listed on standard error.

    \b
    Example:
      scopegate catalog import openapi.json --vendor generic --output config/catalogs/acme.yaml
    """
    from proxy.catalogs.openapi_requirements import Options
    from proxy.cli import importing_catalogs

    options = Options(scopes_are or "", field, base_path)
    return importing_catalogs.import_catalog(file, vendor, options, output, as_json=output_format == "json")


@catalog.command("diff")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@format_option
def diff(old: str, new: str, output_format: str) -> int:
    """Show which permissions differ between two catalogues.

    OLD and NEW are files, or vendors with a shipped catalogue. Exit code 0: they say the same, 3: something differs.

    \b
    Example:
      scopegate catalog diff ringcentral config/catalogs/ringcentral.yaml
    """
    from proxy.cli import importing_catalogs

    return importing_catalogs.diff(old, new, as_json=output_format == "json")


@catalog.command("proposals")
@click.argument("vendor")
@click.option("--admin", default=DEFAULT_ADMIN, show_default=True, help="Where the running proxy's admin listener is.")
@format_option
def proposals(vendor: str, admin: str, output_format: str) -> int:
    """Show rows that the vendor's own answers contradict.

    A running proxy collects them with their evidence. Nothing is applied: copy a row into the catalogue if you believe it.

    \b
    Example:
      scopegate catalog proposals ringcentral
    """
    from proxy.cli import proposing

    return proposing.proposals(vendor, admin, as_json=output_format == "json")
