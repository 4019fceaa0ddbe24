"""`scopegate catalog`: list, show and lint what catalogues say."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from proxy.catalogs.catalog import Catalog
from proxy.cli.exits import INVALID, OK
from proxy.cli.explaining import BUILT_IN
from proxy.cli.output import complain, print_columns, print_json, print_links, print_steps
from proxy.decision.asking import requirement_json
from proxy.model import AnyToken, Auth, OneOf, Operation
from proxy.settings import LintFinding, Problems, Severity, builtin_config_directory, lint_catalog_file, load_catalog


@dataclass(frozen=True, slots=True)
class Filter:
    """Which operations are wanted; None: whatever."""

    scope: str | None
    tag: str | None
    grep: str | None

    def select(self, catalog: Catalog) -> Iterator[Operation]:
        """Yield the operations that are wanted, in catalogue order; raise a usage error for a bad expression."""
        scope = None if self.scope is None else next(iter(catalog.canonical([self.scope])))
        pattern = _compiled(self.grep or "")
        for row in catalog.operations:
            needs = {name for alternative in row.alternatives() for name in alternative}
            wanted = (scope is None or scope in needs) and (self.tag is None or self.tag in row.tags)
            if wanted and pattern.search(f"{row.id} {row.method} {row.route}"):
                yield row


def _compiled(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression, re.IGNORECASE)
    except re.error as error:
        raise click.BadParameter(f"is no regular expression: {error}", param_hint="--grep") from None


# --- list -----------------------------------------------------------------------------------------------


def list_operations(source: str | None, wanted: Filter, *, as_json: bool) -> int:
    """Print the operations of one catalogue, or of all shipped ones."""
    catalogs = [load(name) for name in ([source] if source is not None else BUILT_IN)]
    valid = [catalog for catalog in catalogs if catalog is not None]
    if len(valid) < len(catalogs):
        return INVALID
    rows = [(catalog, row) for catalog in valid for row in wanted.select(catalog)]
    if as_json:
        print_json([_members(catalog, row) for catalog, row in rows])
    elif rows:
        print_columns([(catalog.vendor, row.id, row.method, row.route, needs_text(row)) for catalog, row in rows])
    if not rows:
        complain("no operation matches")
    return OK


def needs_text(row: Operation) -> str:
    """Return what an operation needs, for people."""
    if row.auth is Auth.NONE:
        return "nothing"
    if row.auth is Auth.CLIENT:
        return "the client's own credentials"
    if isinstance(row.requirement, OneOf):
        return " or ".join(" and ".join(scopes) for scopes in row.requirement.alternatives)
    return "any valid token" if isinstance(row.requirement, AnyToken) else "not known"


def _members(catalog: Catalog, row: Operation) -> dict[str, object]:
    return {
        "vendor": catalog.vendor,
        "id": row.id,
        "method": row.method,
        "path": row.route,
        "requires": requirement_json(row),
        "auth": row.auth.value,
        "tags": list(row.tags),
        "origin": row.origin.value,
        **({"provenance": row.provenance} if row.provenance else {}),
    }


def load(source: str) -> Catalog | None:
    """Load a shipped catalogue by its vendor, or a file; print what is wrong with it."""
    if source not in BUILT_IN and not Path(source).exists():
        raise click.BadParameter(f"is neither a file nor one of {', '.join(BUILT_IN)}", param_hint="VENDOR|FILE")
    path = builtin_config_directory() / "catalogs" / f"{source}.yaml" if source in BUILT_IN else Path(source)
    loaded = load_catalog(path)
    if isinstance(loaded, Problems):
        click.echo(str(loaded), err=True)
        return None
    return loaded.catalog


# --- show -----------------------------------------------------------------------------------------------


def show_operation(source: str, operation_id: str, *, as_json: bool) -> int:
    """Print one operation and its scopes."""
    catalog = load(source)
    if catalog is None:
        return INVALID
    row = catalog.by_id(operation_id)
    if row is None:
        raise click.BadParameter(f"the catalogue has no such operation{_similar(operation_id, catalog)}", param_hint="OPERATION")
    members = {**_members(catalog, row), "scopes": [_scope_members(catalog, name) for name in _scopes(row)], "source": catalog.source}
    if as_json:
        print_json(members)
    else:
        _print_operation(members, row)
    return OK


def _similar(operation_id: str, catalog: Catalog) -> str:
    by_lower = {row.id.lower(): row.id for row in catalog.operations}
    close = difflib.get_close_matches(operation_id.lower(), by_lower, n=3)
    return f"; did you mean {' or '.join(by_lower[name] for name in close)}?" if close else ""


def _scopes(row: Operation) -> Iterator[str]:
    yield from dict.fromkeys(name for alternative in row.alternatives() for name in alternative)


def _scope_members(catalog: Catalog, name: str) -> dict[str, object]:
    info = catalog.scope(name)
    return {
        "name": name,
        "title": info.title,
        "implied_by": sorted(catalog.implied_by.get(name, ())),
        "remediation": list(info.remediation),
        "documentation": list(info.documentation),
    }


def _print_operation(members: Mapping[str, Any], row: Operation) -> None:
    click.echo(f"{click.style(row.id, bold=True)}  {row.method} {row.route}")
    facts = [("needs", needs_text(row)), ("tags", ", ".join(row.tags) or "-"), ("origin", row.origin.value)]
    facts += [("provenance", row.provenance)] if row.provenance else []
    print_columns([("vendor", members["vendor"]), *facts], indent="  ")
    for scope in members["scopes"]:
        title = f" ({scope['title']})" if scope["title"] not in ("", scope["name"]) else ""
        implied = f", implied by {', '.join(scope['implied_by'])}" if scope["implied_by"] else ""
        click.echo(f"\n{click.style(scope['name'], bold=True)}{title}{implied}; when it is missing:")
        print_steps(scope["remediation"])
        print_links(scope["documentation"])


# --- lint -----------------------------------------------------------------------------------------------


def lint(files: Sequence[Path], *, as_json: bool) -> int:
    """Print the findings about catalogue files."""
    found = [finding for file in files for finding in lint_catalog_file(file)]
    if as_json:
        print_json([_finding_members(finding) for finding in found])
    else:
        for finding in found:
            click.echo(str(finding))
        click.echo(
            f"{len(files)} file(s), {_count(found, Severity.ERROR)} error(s), {_count(found, Severity.WARNING)} warning(s)", err=True
        )
    return INVALID if _count(found, Severity.ERROR) else OK


def _count(found: Sequence[LintFinding], severity: Severity) -> int:
    return sum(finding.severity is severity for finding in found)


def _finding_members(finding: LintFinding) -> dict[str, object]:
    place = {"file": finding.file, "line": finding.position.line, "column": finding.position.column}
    return {**place, "key": finding.key, "severity": finding.severity.value, "message": finding.text}
