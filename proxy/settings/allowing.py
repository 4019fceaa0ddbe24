"""The rules under `clients[].allow` against the catalogues: what means nothing, can never match, or adds nothing.

A rule that does not do what it says is refused, because whoever wrote it relies on it. Reads plain data, so that these problems are
reported together with all others. No text repeats a value of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from proxy.catalogs.catalog import Catalog
from proxy.model import Auth, OneOf, OnUnknown, Operation, Requirement
from proxy.policy.allowance import Allowance, AllowRule, Implied, reach
from proxy.policy.routes import template
from proxy.settings.allow_schema import AllowSettings
from proxy.settings.checks import EACH, Finding, matching
from proxy.settings.problems import KeyPath
from proxy.settings.schema import Settings
from proxy.settings.vendor_schema import VendorSettings

_STANDARD_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_NOTHING: Final[Implied] = MappingProxyType({})


def allowances(settings: Settings, vendor: str, catalog: Catalog) -> Mapping[str, Allowance]:
    """Return what each client that has rules may do at a vendor, by the client's name."""
    implied_by = implications(settings.vendors[vendor], catalog)
    return MappingProxyType(
        {
            client.name: Allowance(
                client.name, vendor, [rule.as_rule(catalog) for rule in client.allow if rule.vendor == vendor], catalog, implied_by
            )
            for client in settings.clients
            if client.allow is not None
        }
    )


def implications(settings: VendorSettings, catalog: Catalog) -> Implied:
    """Return which scopes count as held because another one implies them."""
    return catalog.implied_by if settings.implied_scopes == "presume" else _NOTHING


def allow_findings(data: object, catalogs: Mapping[str, Catalog]) -> Iterator[Finding]:
    """Find what is wrong with the rules of all clients; rules of vendors without a readable catalogue are left alone."""
    vendors = next((value for _, value in matching(data, ("vendors",))), None)
    known = {name: row for name, row in vendors.items() if isinstance(row, dict)} if isinstance(vendors, dict) else {}
    for path, rules in matching(data, ("clients", EACH, "allow")):
        if isinstance(rules, list):
            yield from _client(path, rules, known, catalogs)


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule that could be read, what it allows of the catalogue, and where it stands."""

    path: KeyPath
    vendor: str
    rule: AllowRule
    reach: Mapping[Operation, Requirement]
    reaches_unknown: bool


def _client(
    path: KeyPath, rows: list[object], vendors: Mapping[str, Mapping[str, object]], catalogs: Mapping[str, Catalog]
) -> Iterator[Finding]:
    sound: list[_Rule] = []
    for index, row in enumerate(rows):
        settings = _readable(row)
        if settings is None:
            continue
        vendor, here = settings.vendor, (*path, index)
        if vendor not in vendors:
            yield (*here, "vendor"), _unknown("vendor", vendor, vendors)
        elif vendor in catalogs:
            rule = _compiled(here, settings, vendors[vendor], catalogs[vendor])
            found = [*_names(here, settings, catalogs[vendor])] or [*_dead(rule, settings, catalogs[vendor])]
            yield from found
            sound += [] if found else [rule]
    yield from _shadowed(sound)


def _compiled(path: KeyPath, settings: AllowSettings, vendor: Mapping[str, object], catalog: Catalog) -> _Rule:
    rule, implied_by = settings.as_rule(catalog), _implied(vendor, catalog)
    unknown = rule.reaches_unknown and vendor.get("on_unknown_operation") != OnUnknown.DENY
    return _Rule(path, settings.vendor, rule, reach(rule, catalog.operations, implied_by), unknown)


def _readable(row: object) -> AllowSettings | None:
    """Return a rule, None for one that the schema refuses: that is reported in the schema's words."""
    try:
        return AllowSettings.model_validate(row)
    except ValidationError:
        return None


def _implied(vendor: Mapping[str, object], catalog: Catalog) -> Implied:
    return catalog.implied_by if vendor.get("implied_scopes", "presume") == "presume" else _NOTHING


# --- names that mean nothing ----------------------------------------------------------------------------


def _names(path: KeyPath, settings: AllowSettings, catalog: Catalog) -> Iterator[Finding]:
    """Find names that the catalogue does not know, and names that are there twice."""
    known: dict[str, tuple[str, Iterable[str]]] = {
        "operations": ("operation", {row.id for row in catalog.operations}),
        "tags": ("tag", {tag for row in catalog.operations for tag in row.tags}),
        "scopes": ("scope", {*catalog.scopes, *catalog.aliases}),
        "methods": ("method", _STANDARD_METHODS | {row.method for row in catalog.operations}),
    }
    for key, (kind, names) in known.items():
        given: tuple[str, ...] = getattr(settings, key) or ()
        yield from (((*path, key, index), _unknown(kind, name, names)) for index, name in enumerate(given) if name not in names)
    yield from _routes(path, settings, catalog)
    yield from _twice(path, settings)


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - for whoever made a mistake

    close = get_close_matches(name, list(known), n=1)
    return f"unknown {kind}; did you mean '{close[0]}'?" if close else f"unknown {kind}{_ADVICE.get(kind, '')}"


_ADVICE: Final[Mapping[str, str]] = {
    "vendor": ": it must be a name under vendors",
    "operation": ": 'scopegate catalog list' has the ids of the vendor's operations",
    "tag": ": 'scopegate catalog list' has the tags of the vendor's operations",
    "scope": ": the vendor's catalogue does not have it",
    "method": ": it is no HTTP method",
}


def _routes(path: KeyPath, settings: AllowSettings, catalog: Catalog) -> Iterator[Finding]:
    templates = [template(route) for route in catalog.routes()]
    text = "matches no route of the catalogue; a parameter is written * or {}, and ** stands for the rest of a path"
    for index, pattern in enumerate(settings.as_rule(catalog).routes or ()):
        if not any(pattern.covers(route) for route in templates):
            yield (*path, "routes", index), text


def _twice(path: KeyPath, settings: AllowSettings) -> Iterator[Finding]:
    for key in ("operations", "tags", "routes", "methods", "scopes"):
        given: tuple[str, ...] = getattr(settings, key) or ()
        yield from (((*path, key, index), "is in this list twice") for index, name in enumerate(given) if name in given[:index])


# --- rules that can never match -------------------------------------------------------------------------


def _dead(one: _Rule, settings: AllowSettings, catalog: Catalog) -> Iterator[Finding]:
    """Find conditions that exclude each other: a whole rule that allows nothing, or single operations that it names in vain."""
    if one.reaches_unknown:
        return
    if not one.reach:
        yield one.path, f"can never match: {_why_dead(one.rule, catalog)}"
        return
    for index, name in enumerate(settings.operations or ()):
        operation = catalog.by_id(name)
        assert operation is not None
        if operation not in one.reach:
            why = "this operation needs more than its ceiling (scopes)" if one.rule.selects(operation) else _EXCLUDED
            yield (*one.path, "operations", index), f"can never match: {why}"


_EXCLUDED: Final = "the other conditions of the rule exclude this operation"


def _why_dead(rule: AllowRule, catalog: Catalog) -> str:
    if any(rule.selects(operation) for operation in catalog.operations):
        return "every operation that it is about needs more than its ceiling (scopes)"
    for name in ("methods", "routes", "tags"):
        without = replace(rule, **{name: None})
        if any(without.selects(operation) for operation in catalog.operations):
            return f"its {name} exclude every operation that its other conditions let through"
    return "its conditions exclude each other"


# --- rules that add nothing -----------------------------------------------------------------------------


def _shadowed(rules: list[_Rule]) -> Iterator[Finding]:
    """Find rules that allow nothing that one other rule of the same client does not allow too; of equal ones the later."""
    for position, one in enumerate(rules):
        for other_position, other in enumerate(rules):
            if other is one or other.vendor != one.vendor or not _includes(other, one):
                continue
            name = f"allow[{other.path[-1]}]"
            if not _includes(one, other):
                yield one.path, f"adds nothing: {name} allows all of it already; remove this rule or narrow the other one"
            elif other_position < position:
                yield one.path, f"adds nothing: it allows the same as {name}; remove one of them"
            else:
                continue
            break


def _includes(wide: _Rule, narrow: _Rule) -> bool:
    """Say whether `wide` allows everything that `narrow` allows; whoever is allowed anything may log in."""
    if narrow.reaches_unknown and not _includes_unknown(wide.rule, narrow.rule):
        return False
    needing_token = ((operation, part) for operation, part in narrow.reach.items() if operation.auth is Auth.BEARER)
    return all(_includes_part(wide.reach.get(operation), part) for operation, part in needing_token)


def _includes_part(wide: Requirement | None, narrow: Requirement) -> bool:
    if not isinstance(wide, OneOf) or not isinstance(narrow, OneOf):
        return wide is not None
    return set(narrow.alternatives) <= set(wide.alternatives)


def _includes_unknown(wide: AllowRule, narrow: AllowRule) -> bool:
    if not wide.reaches_unknown or not (wide.methods is None or (narrow.methods is not None and narrow.methods <= wide.methods)):
        return False
    if wide.routes is None:
        return True
    return narrow.routes is not None and all(any(mine.covers(theirs) for mine in wide.routes) for theirs in narrow.routes)
