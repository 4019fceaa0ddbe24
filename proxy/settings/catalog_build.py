"""A catalogue document → a compiled `Catalog`, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from proxy.catalogs.catalog import Catalog, compile_catalog, is_parameter
from proxy.model import (
    KnownError,
    NotKnown,
    OneOf,
    Operation,
    RefusalPattern,
    RefusalTemplate,
    Requirement,
    ResourceRule,
    ScopeInfo,
    TokenEndpoint,
    TokenPlace,
)
from proxy.settings.catalog_schema import CatalogFile, ErrorRow, OperationRow, ScopeDefaults, ScopeRow
from proxy.settings.document import Document, read_document
from proxy.settings.messages import findings
from proxy.settings.problems import KeyPath, Problems, collect

MAX_CATALOG_BYTES: Final = 8 * 1024 * 1024

Finding = tuple[KeyPath, str]


@dataclass(frozen=True, slots=True)
class CatalogSource:
    """A catalogue file that was read without problems: as it is written, validated and compiled."""

    document: Document
    rows: CatalogFile
    catalog: Catalog


def read_catalog(raw: bytes, file: str) -> CatalogSource | Problems:
    """Read the text of a catalogue file; `file` is its name in messages."""
    document = read_document(raw, file, MAX_CATALOG_BYTES)
    if isinstance(document, Problems):
        return document
    found = list(cross_checks(document.data))
    try:
        rows = CatalogFile.model_validate(document.data)
    except ValidationError as error:
        found += findings(error, CatalogFile)
    if found:
        return collect(document.problem(path, message) for path, message in found)
    return CatalogSource(document, rows, _compile(rows))


# --- contradictions between rows ------------------------------------------------------------------------


def cross_checks(data: object) -> Iterator[Finding]:
    """Find contradictions between the rows of a catalogue that may have other mistakes too."""
    if not isinstance(data, dict):
        return
    operations = data.get("operations")
    rows = [(("operations", index), row) for index, row in enumerate(operations)] if isinstance(operations, list) else []
    complete = [(path, row) for path, row in rows if isinstance(row, dict)]
    yield from _same_ids(complete)
    yield from _same_requests(complete)
    for path, row in complete:
        yield from _row(path, row)
    yield from _errors(data.get("errors"))
    yield from alias_cycles(data.get("aliases"))


Rows = Iterable[tuple[KeyPath, Mapping[str, object]]]


def _same_ids(rows: Rows) -> Iterator[Finding]:
    seen: set[str] = set()
    for path, row in rows:
        name = row.get("id")
        if not isinstance(name, str):
            continue
        if name in seen:
            yield (*path, "id"), "another operation has this id"
        seen.add(name)


def _same_requests(rows: Rows) -> Iterator[Finding]:
    seen: dict[tuple[object, ...], object] = {}
    for path, row in rows:
        method, route = row.get("method"), row.get("path")
        if not isinstance(method, str) or not isinstance(route, str):
            continue
        requests = (method, *("{}" if is_parameter(segment) else segment for segment in route.split("/")))
        if requests in seen:
            yield path, f"matches the same requests as operation {seen[requests]!r}: {method} {route}"
        seen.setdefault(requests, row.get("id"))


def _row(path: KeyPath, row: Mapping[str, object]) -> Iterator[Finding]:
    if row.get("depends_on_body") is True and row.get("requires") != "unknown":
        yield (*path, "depends_on_body"), "is allowed with 'requires: unknown' only"
    resource, route = row.get("resource"), row.get("path")
    if isinstance(resource, dict) and resource.get("in") == "path" and isinstance(route, str):
        name = resource.get("name")
        if isinstance(name, str) and f"{{{name}}}" not in route.split("/"):
            yield (*path, "resource", "name"), "names no parameter of the path"


def _errors(rows: object) -> Iterator[Finding]:
    """Find errors that nothing tells apart from others: without code and text, or with a name that was used before."""
    seen: set[object] = set()
    for index, row in enumerate(rows if isinstance(rows, list) else []):
        if not isinstance(row, dict):
            continue
        if not row.get("code") and row.get("text") is None:
            yield ("errors", index), "needs a code, a text or both"
        name = row.get("id")
        if isinstance(name, str) and name in seen:
            yield ("errors", index, "id"), "another error has this id"
        seen.add(name if isinstance(name, str) else index)


def alias_cycles(aliases: object) -> Iterator[Finding]:
    """Find aliases that lead back to themselves."""
    if not isinstance(aliases, dict):
        return
    for alias in aliases:
        if resolve_alias(alias, aliases) is None:
            yield ("aliases", alias), "the alias leads back to itself"


def resolve_alias(name: str, aliases: Mapping[str, object]) -> str | None:
    """Follow aliases to the last name; None where they run in a circle."""
    seen = {name}
    target = aliases.get(name, name)
    while isinstance(target, str) and target in aliases:
        if target in seen:
            return None
        seen.add(target)
        target = aliases[target]
    return target if isinstance(target, str) else name


# --- rows → Catalog -------------------------------------------------------------------------------------


def _compile(rows: CatalogFile) -> Catalog:
    aliases = {alias: resolve_alias(alias, rows.aliases) or alias for alias in rows.aliases}
    operations = tuple(_operation(row, rows.vendor, aliases) for row in rows.operations)
    return compile_catalog(
        rows.vendor,
        operations,
        source=rows.source,
        scopes=_scopes(rows, operations, aliases),
        aliases=aliases,
        token_endpoints=tuple(TokenEndpoint(row.path, row.scope_from, row.separator) for row in rows.token_endpoint),
        token_in=_token_place(rows),
        refusal=_refusal(rows),
        recognise=tuple(RefusalPattern(row.status, row.members, row.scope_from) for row in rows.recognise),
        errors=tuple(_error(row) for row in rows.errors),
    )


def _operation(row: OperationRow, vendor: str, aliases: Mapping[str, str]) -> Operation:
    return Operation(
        vendor=vendor,
        id=row.id,
        method=row.method,
        route=row.path,
        requirement=_requirement(row, aliases),
        auth=row.auth,
        tags=row.tags,
        origin=row.origin,
        resource=_resource(row),
        partial=frozenset(aliases.get(scope, scope) for scope in row.partial),
        provenance=row.provenance,
    )


def _requirement(row: OperationRow, aliases: Mapping[str, str]) -> Requirement:
    if isinstance(row.requires, OneOf):
        return OneOf(tuple(tuple(aliases.get(scope, scope) for scope in alternative) for alternative in row.requires.alternatives))
    return NotKnown(learnable=False) if row.depends_on_body else row.requires


def _resource(row: OperationRow) -> ResourceRule | None:
    rule = row.resource
    return None if rule is None else ResourceRule(rule.kind, rule.location, rule.name, rule.separator, rule.everything)


def _scopes(rows: CatalogFile, operations: Iterable[Operation], aliases: Mapping[str, str]) -> dict[str, ScopeInfo]:
    """Describe every scope: those with a row first, then those that operations use without one."""
    used = (scope for operation in operations for alternative in operation.alternatives() for scope in alternative)
    names = dict.fromkeys([*rows.scopes, *used])
    return {name: _scope(name, rows.scopes.get(name, ScopeRow()), rows.scope_defaults, aliases) for name in names}


def _scope(name: str, row: ScopeRow, defaults: ScopeDefaults, aliases: Mapping[str, str]) -> ScopeInfo:
    title = row.title or name
    return ScopeInfo(
        name,
        title,
        frozenset(aliases.get(scope, scope) for scope in row.implies),
        _filled(defaults.remediation, name, title) if row.remediation is None else row.remediation,
        _filled(defaults.documentation, name, title) if row.documentation is None else row.documentation,
        defaults.changeable if row.changeable is None else row.changeable,
    )


def _filled(texts: tuple[str, ...], name: str, title: str) -> tuple[str, ...]:
    return tuple(text.replace("{scope}", name).replace("{title}", title) for text in texts)


def _error(row: ErrorRow) -> KnownError:
    return KnownError(row.id, row.kind, row.meaning, row.whose, row.status, row.code, row.text, row.remediation, row.documentation)


def _token_place(rows: CatalogFile) -> TokenPlace | None:
    place = rows.token_in
    return None if place is None else TokenPlace(place.header, place.scheme, place.query_parameter)


def _refusal(rows: CatalogFile) -> RefusalTemplate | None:
    refusal = rows.refusal
    return None if refusal is None else RefusalTemplate(refusal.status, refusal.body, refusal.headers)
