"""`predict` against an oracle that knows nothing of its rules: it enumerates every world in which the knowledge is true.

A world fixes which scopes the token holds, in which places. Knowledge rules worlds out. Then, by definition: deny if and only if no
world permits; permit (unless presumed) only if every world permits.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, product

from hypothesis import assume, given

from proxy.catalogs.catalog import implied_by
from proxy.model import Deny, Grants, Holding, Indeterminate, Named, OneOf, Operation, Permit, Resources, ScopeInfo
from proxy.prediction import WHOLE_RESOURCE, holding, predict
from tests import strategies as some

UNBOUND, ELSEWHERE = "an operation without resources", "a resource nobody spoke of"
EVERYWHERE = (UNBOUND, ELSEWHERE, *some.PLACES)

World = dict[str, frozenset[str]]
"""Scope to the places where it is held."""


def subsets(items: tuple[str, ...]) -> Iterator[frozenset[str]]:
    return map(frozenset, chain.from_iterable(combinations(items, size) for size in range(len(items) + 1)))


def is_possible(scope: str, where: frozenset[str], grants: Grants) -> bool:
    """Say whether the token can hold `scope` in exactly these places, by what is known of this very scope."""
    lacks = [lack.resources for lack in grants.lacking if lack.scope in (scope, WHOLE_RESOURCE)]
    if frozenset() in lacks:
        return not where
    named = set(EVERYWHERE) if scope in grants.scopes else {place for known, place in grants.bound if known == scope}
    outranked = {next(iter(lack)) for lack in lacks if len(lack) == 1}
    return named - outranked <= where and not any(lack <= where for lack in lacks)


def is_complete(world: World, grants: Grants, holders: dict[str, frozenset[str]]) -> bool:
    """Say whether every right of a world that complete knowledge does not name comes from a scope that implies it."""
    mentioned = {scope for scope, _ in grants.bound}
    for scope, where in world.items():
        implied = frozenset().union(*(world[holder] for holder in holders.get(scope, ())))
        named = frozenset(EVERYWHERE) if scope in grants.scopes else frozenset(place for known, place in grants.bound if known == scope)
        silent = where - implied - named
        if silent & grants.complete_for or (grants.complete and silent and scope not in mentioned):
            return False
    return True


def worlds(scopes: tuple[str, ...], grants: Grants, holders: dict[str, frozenset[str]]) -> Iterator[World]:
    possible = ([where for where in subsets(EVERYWHERE) if is_possible(scope, where, grants)] for scope in scopes)
    for choice in product(*possible):
        world = dict(zip(scopes, choice, strict=True))
        if is_complete(world, grants, holders):
            yield world


def readings(resources: Resources) -> list[frozenset[str]]:
    """Return what the vendor may take the request to concern."""
    if isinstance(resources, Named):
        return [resources.resources or frozenset({UNBOUND})]
    return [places for places in subsets((ELSEWHERE, *some.PLACES)) if places] + [frozenset({UNBOUND})]


def outcomes(operation: Operation, grants: Grants, resources: Resources, holders: dict[str, frozenset[str]]) -> set[bool]:
    """Return every answer that the vendor can give: True to permit, False to refuse."""
    relevant = {scope for alternative in operation.alternatives() for scope in alternative}
    scopes = tuple(sorted(relevant.union(*(holders.get(scope, frozenset()) for scope in relevant))))
    found: set[bool] = set()
    for world in worlds(scopes, grants, holders):
        for places in readings(resources):
            held = [set(row) for row in operation.alternatives() if all(places <= world[scope] for scope in row)]
            found |= {True} if any(not row & operation.partial for row in held) else {True, False} if held else {False}
        if len(found) == 2:
            break
    return found


def is_consistent(grants: Grants) -> bool:
    """Leave out a lack on several resources some of which are known to be held: which of them it blames is a matter of taste."""
    for lack in grants.lacking:
        if len(lack.resources) > 1:
            names = set(some.SCOPES) if lack.scope == WHOLE_RESOURCE else {lack.scope}
            if names & grants.scopes or any(scope in names and place in lack.resources for scope, place in grants.bound):
                return False
    return True


@given(some.operations(some.one_of(2)), some.grants, some.resources)
def test_deny_if_and_only_if_no_possible_world_permits(operation: Operation, grants: Grants, resources: Resources) -> None:
    assume(is_consistent(grants))
    possible = outcomes(operation, grants, resources, {})
    prediction = predict(operation, grants, resources)
    assert isinstance(prediction, Deny) == (possible == {False})
    assert (prediction == Permit(operation)) == (possible == {True})
    assert isinstance(prediction, Indeterminate) == (possible == {True, False})


@given(some.scopes, some.grants, some.resources, some.implications)
def test_with_implications_too_deny_if_and_only_if_no_possible_world_permits(
    scope: str, grants: Grants, resources: Resources, holders: dict[str, frozenset[str]]
) -> None:
    """One scope is enough: how scopes are combined does not depend on implications."""
    assume(is_consistent(grants))
    operation = Operation("vendor", "operation", "GET", "/route", OneOf(((scope,),)))
    possible = outcomes(operation, grants, resources, few(holders, scope))
    prediction = predict(operation, grants, resources, few(holders, scope))
    assert isinstance(prediction, Deny) == (possible == {False})
    if prediction == Permit(operation):
        assert possible == {True}
    if isinstance(prediction, Permit):
        assert True in possible


def few(holders: dict[str, frozenset[str]], scope: str) -> dict[str, frozenset[str]]:
    """Keep two holders and no second level, so that the worlds stay countable."""
    return {scope: frozenset(sorted(holders.get(scope, frozenset()))[:2])}


def test_the_oracle_itself_tells_the_three_answers_apart() -> None:
    operation = Operation("vendor", "operation", "GET", "/route", OneOf((("A",),)))
    assert outcomes(operation, Grants(frozenset({"A"})), Named(), {}) == {True}
    assert outcomes(operation, Grants(complete=True), Named(), {}) == {False}
    assert outcomes(operation, Grants(), Named(), {}) == {True, False}
    holders = implied_by({"B": ScopeInfo("B", implies=frozenset({"A"}))})
    assert outcomes(operation, Grants(frozenset({"B"}), complete=True), Named(), holders) == {True, False}
    assert holding("A", Grants(frozenset({"B"}), complete=True), Named(), holders) is Holding.PRESUMED
