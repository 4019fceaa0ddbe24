"""What a valid catalogue still gets wrong: unreachable rows, missing texts, names that mean nothing.

A finding of severity ERROR is a row that can never do what it says; a WARNING is something that people will miss.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from proxy.catalogs.catalog import is_parameter
from proxy.model import OneOf
from proxy.protocol.targets import BadTarget, parse_target
from proxy.settings.catalog_build import CatalogSource
from proxy.settings.catalog_schema import CatalogFile, OperationRow
from proxy.settings.load import load_catalog
from proxy.settings.problems import KeyPath, Position, Problem, Problems, dotted

PLACEHOLDERS: Final = frozenset({"scope", "scopes", "alternatives", "operation", "user", "resource", "path", "method", "message"})
"""What a refusal template can say, besides names that begin with `timestamp`."""
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z0-9_]+)\}")

Note = tuple[KeyPath, str]


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"


class LintFinding(NamedTuple):
    """One finding; sorts by position."""

    file: str
    position: Position
    key: str
    severity: Severity
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.position.line}:{self.position.column}: {self.severity}: "
        return f"{place}{self.key}: {self.text}" if self.key else place + self.text


def lint_catalog_file(path: Path) -> tuple[LintFinding, ...]:
    """Look through a catalogue file; what makes it invalid comes back as errors."""
    source = load_catalog(path)
    if isinstance(source, Problems):
        return tuple(_from_problem(problem) for problem in source)
    return lint_catalog(source)


def lint_catalog(source: CatalogSource) -> tuple[LintFinding, ...]:
    """Look through a valid catalogue."""
    rows = source.rows
    errors = [*_unreachable(rows)]
    warnings = [*_sources(rows), *_texts(source), *_undescribed(rows), *_unknown_names(rows), *_redundant(rows), *_templates(rows)]
    found = [_finding(source, note, Severity.ERROR) for note in errors] + [_finding(source, note, Severity.WARNING) for note in warnings]
    return tuple(sorted(found))


def _finding(source: CatalogSource, note: Note, severity: Severity) -> LintFinding:
    path, text = note
    return LintFinding(source.document.file, source.document.position(path), dotted(path), severity, text)


def _from_problem(problem: Problem) -> LintFinding:
    return LintFinding(problem.file, problem.position, problem.key, Severity.ERROR, problem.message)


def _operations(rows: CatalogFile) -> Iterator[tuple[KeyPath, OperationRow]]:
    yield from ((("operations", index), row) for index, row in enumerate(rows.operations))


# --- unreachable ----------------------------------------------------------------------------------------


def _unreachable(rows: CatalogFile) -> Iterator[Note]:
    """A literal never hides a parameter's whole range, so only these rows can never be matched."""
    for path, row in _operations(rows):
        if row.method == "HEAD":
            yield (*path, "method"), "unreachable: HEAD is looked up as GET"
        refused = parse_target(_example(row.path).encode())
        if isinstance(refused, BadTarget):
            yield (*path, "path"), f"unreachable: no request with this path is let through ({refused.detail})"
        elif row.path.startswith("//"):
            yield (*path, "path"), "unreachable: an empty segment"
    for index, endpoint in enumerate(rows.token_endpoint):
        if "{" in endpoint.path or isinstance(parse_target(endpoint.path.encode()), BadTarget):
            yield ("token_endpoint", index, "path"), "unreachable: a token endpoint is one literal path"


def _example(route: str) -> str:
    return "/".join("x" if is_parameter(segment) else segment for segment in route.split("/"))


# --- where facts come from, and what people need to read ------------------------------------------------


def _sources(rows: CatalogFile) -> Iterator[Note]:
    if not rows.source:
        yield ("source",), "the catalogue does not say where its facts come from"
    for path, row in _operations(rows):
        if "origin" not in row.model_fields_set:
            yield path, f"operation {row.id} has no origin"


def _texts(source: CatalogSource) -> Iterator[Note]:
    """Defaults count: they are filled in before."""
    for name in source.rows.scopes:
        info = source.catalog.scope(name)
        if not info.remediation:
            yield ("scopes", name), f"scope {name} has no remediation"
        if not info.documentation:
            yield ("scopes", name), f"scope {name} has no documentation"


def _undescribed(rows: CatalogFile) -> Iterator[Note]:
    known = rows.scopes.keys() | rows.aliases.keys()
    reported: set[str] = set()
    for path, row in _operations(rows):
        for scope in dict.fromkeys(name for alternative in _alternatives(row) for name in alternative):
            if scope not in known and scope not in reported:
                yield (*path, "requires"), f"scope {scope} is used but not described"
                reported.add(scope)


# --- names that mean nothing ----------------------------------------------------------------------------


def _unknown_names(rows: CatalogFile) -> Iterator[Note]:
    used = {scope for _, row in _operations(rows) for alternative in _alternatives(row) for scope in alternative}
    known = rows.scopes.keys() | rows.aliases.keys() | used
    for name, scope in rows.scopes.items():
        for index, implied in enumerate(scope.implies):
            if implied not in known:
                yield ("scopes", name, "implies", index), f"implies the unknown scope {implied}"
    for alias, target in rows.aliases.items():
        if target not in known:
            yield ("aliases", alias), f"stands for the unknown scope {target}"


# --- duplicates -----------------------------------------------------------------------------------------


def _redundant(rows: CatalogFile) -> Iterator[Note]:
    for path, row in _operations(rows):
        yield from (((*path, "requires"), text) for text in _redundant_alternatives(row, rows.aliases))
        scopes = {scope for alternative in _alternatives(row) for scope in alternative}
        for index, scope in enumerate(row.partial):
            if scope not in scopes:
                yield (*path, "partial", index), f"scope {scope} is partial, but the operation does not require it"


def _redundant_alternatives(row: OperationRow, aliases: Mapping[str, str]) -> Iterator[str]:
    sets = [frozenset(aliases.get(scope, scope) for scope in alternative) for alternative in _alternatives(row)]
    for index, scopes in enumerate(sets):
        if len(scopes) != len(_alternatives(row)[index]):
            yield f"alternative {index + 1} names a scope twice"
        if any(other <= scopes for other in sets[:index]) or any(other < scopes for other in sets[index + 1 :]):
            yield f"alternative {index + 1} is redundant: another one asks for no more than a part of it"


def _alternatives(row: OperationRow) -> tuple[tuple[str, ...], ...]:
    return row.requires.alternatives if isinstance(row.requires, OneOf) else ()


# --- refusals -------------------------------------------------------------------------------------------


def _templates(rows: CatalogFile) -> Iterator[Note]:
    if rows.refusal is not None:
        for name in sorted({*_placeholders(rows.refusal.body), *_placeholders(rows.refusal.headers)} - PLACEHOLDERS):
            yield ("refusal",), f"the placeholder {{{name}}} is unknown and stays as it is"
    for index, row in enumerate(rows.recognise):
        if not row.members:
            yield ("recognise", index), "recognises every answer with this status as a permission refusal, whatever it says"


def _placeholders(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from (name for name in _PLACEHOLDER.findall(value) if name and not name.startswith("timestamp"))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _placeholders(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _placeholders(item)
