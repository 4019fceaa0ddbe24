"""What one client may do at one vendor: its rules (`clients[].allow`), compiled against the catalogue. Pure.

Within a rule every condition must hold; rules are alternatives. Whatever no rule lets through is not allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from proxy.catalogs.catalog import Catalog
from proxy.model import AnyToken, Auth, OneOf, Operation, Requirement
from proxy.policy.routes import RoutePattern, one_path, template

Implied = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class AllowRule:
    """One rule; None is "no such condition". `scopes` is a ceiling, in the names that requirements use."""

    operations: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    routes: tuple[RoutePattern, ...] | None = None
    methods: frozenset[str] | None = None
    scopes: frozenset[str] | None = None

    @property
    def reaches_unknown(self) -> bool:
        """Whether the rule can let through what is not in the catalogue: nothing in it needs the catalogue to be judged."""
        return self.operations is None and self.tags is None and self.scopes is None

    def selects(self, operation: Operation) -> bool:
        """Say whether every condition but the ceiling holds."""
        return (
            (self.operations is None or operation.id in self.operations)
            and (self.tags is None or not self.tags.isdisjoint(operation.tags))
            and (self.methods is None or operation.method in self.methods)
            and (self.routes is None or _covered(self.routes, template(operation.route)))
        )

    def lets_unknown(self, method: str, path: RoutePattern) -> bool:
        """Say whether a request that is not in the catalogue is let through; HEAD counts as GET (RFC 9110 section 9.3.2)."""
        if not self.reaches_unknown or (self.methods is not None and _as_looked_up(method) not in self.methods):
            return False
        return self.routes is None or _covered(self.routes, path)

    def within(self, operation: Operation, implied_by: Implied) -> Requirement | None:
        """Return the part of the operation's requirement that the ceiling covers, None where it covers nothing.

        What any token may do is under every ceiling. What is not known to be under it is not.
        """
        requirement = operation.requirement
        if self.scopes is None or isinstance(requirement, AnyToken):
            return requirement
        if not isinstance(requirement, OneOf):
            return None
        kept = tuple(one for one in requirement.alternatives if all(self._in_ceiling(scope, implied_by) for scope in one))
        return OneOf(kept) if kept else None

    def _in_ceiling(self, scope: str, implied_by: Implied) -> bool:
        assert self.scopes is not None
        return scope in self.scopes or not implied_by.get(scope, frozenset()).isdisjoint(self.scopes)


def _as_looked_up(method: str) -> str:
    return "GET" if method == "HEAD" else method


def _covered(patterns: tuple[RoutePattern, ...], path: RoutePattern) -> bool:
    return any(pattern.covers(path) for pattern in patterns)


Reach = Mapping[Operation, Requirement]
"""The operations that something allows, each with the part of its requirement that may be used."""


def reach(rule: AllowRule, operations: Sequence[Operation], implied_by: Implied) -> dict[Operation, Requirement]:
    """Return what one rule allows of `operations`."""
    parts = ((operation, rule.within(operation, implied_by)) for operation in operations if rule.selects(operation))
    return {operation: part for operation, part in parts if part is not None}


class Allowance:
    """What one client may do at one vendor. No rule: nothing.

    `allowed` has every allowed operation of the catalogue; its value is the operation itself, or a copy that names only the
    alternatives within the ceiling.
    """

    def __init__(self, client: str, vendor: str, rules: Sequence[AllowRule], catalog: Catalog, implied_by: Implied) -> None:
        self.client = client
        self.vendor = vendor
        self.rules = tuple(rules)
        self.implied_by = implied_by
        self.allowed = _allowed(self.rules, catalog, implied_by)
        self._logins = frozenset(endpoint.path for endpoint in catalog.token_endpoints) if rules else frozenset[str]()

    def lets_unknown(self, method: str, path: str) -> bool:
        """Say whether a request that is not in the catalogue is allowed. `path` is the canonical one, "" where it is not known."""
        if path in self._logins:
            return True
        wanted = one_path(path)
        return any(rule.lets_unknown(method, wanted) for rule in self.rules)


def _allowed(rules: Sequence[AllowRule], catalog: Catalog, implied_by: Implied) -> dict[Operation, Operation]:
    """Join the rules. Whoever is allowed anything at the vendor may also log in there: what takes no access token uses no right."""
    if not rules:
        return {}
    joined: dict[Operation, Requirement] = {row: row.requirement for row in catalog.operations if row.auth is not Auth.BEARER}
    for rule in rules:
        for operation, part in reach(rule, catalog.operations, implied_by).items():
            joined[operation] = _joined(operation, joined.get(operation), part)
    return {row: row if part == row.requirement else replace(row, requirement=part) for row, part in joined.items()}


def _joined(operation: Operation, one: Requirement | None, other: Requirement) -> Requirement:
    """Return what either part permits, in the order of the vendor's documentation."""
    if not isinstance(one, OneOf) or not isinstance(other, OneOf):
        return other  # what has no alternatives is allowed whole or not at all
    either = {*one.alternatives, *other.alternatives}
    return OneOf(tuple(alternative for alternative in operation.alternatives() if alternative in either))
