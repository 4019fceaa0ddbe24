"""What the vendor will say, as far as it is certain: `predict`.

Pure. Every caller (the proxy, the command line, the admin API) asks this one function.
Only certainty denies: a scope that is neither held nor known to be lacking makes the answer indeterminate.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.model import (
    ANYWHERE,
    NO_RESOURCES,
    AnyToken,
    Auth,
    Deny,
    Grants,
    Holding,
    Indeterminate,
    Named,
    NotApplicable,
    NotKnown,
    Operation,
    Permit,
    Prediction,
    Resources,
    Unbounded,
)

NO_IMPLICATIONS: Mapping[str, frozenset[str]] = {}
WHOLE_RESOURCE = "*"
"""The scope name of a `Lack` that covers every scope on its resources (8x8: "no access to this PBX at all")."""
_NO_PLACE = frozenset({""})
"""Where a right must hold for a request that names no resource."""
_GRANTED = frozenset({Holding.HELD, Holding.PRESUMED})
_RANK = {Holding.LACKING: 0, Holding.UNKNOWN: 1, Holding.PRESUMED: 2, Holding.HELD: 3}


def predict(
    operation: Operation | None,
    grants: Grants,
    resources: Resources = NO_RESOURCES,
    implied_by: Mapping[str, frozenset[str]] = NO_IMPLICATIONS,
) -> Prediction:
    """Say what the vendor will answer to `operation` on `resources` for a token of which `grants` is known.

    `implied_by` maps a scope to the scopes that imply it; leave it empty to read scopes to the letter.
    """
    if operation is None:
        return NotApplicable()
    requirement = operation.requirement
    if operation.auth is not Auth.BEARER or isinstance(requirement, AnyToken):
        return Permit(operation)
    learned = _learned(operation, grants, resources)
    if learned is Holding.HELD:
        return Permit(operation)
    if isinstance(requirement, NotKnown):
        return _predict_not_known(operation, learned, resources)
    weighed = [_weigh(operation, alternative, grants, resources, implied_by) for alternative in requirement.alternatives]
    return _judge(operation, weighed, resources)


def holding(
    scope: str,
    grants: Grants,
    resources: Resources = NO_RESOURCES,
    implied_by: Mapping[str, frozenset[str]] = NO_IMPLICATIONS,
) -> Holding:
    """Say what is known about one scope of one token on `resources`.

    A proven lack outranks everything; then what is held, then what a held scope implies, then completeness.
    """
    if _is_lacking(scope, grants, _names(resources)):
        return Holding.LACKING
    holders = implied_by.get(scope, frozenset())
    state = min((_reading(scope, holders, grants, place) for place in _places(resources)), key=_RANK.__getitem__)
    return Holding.UNKNOWN if state in _GRANTED and _is_blurred(scope, grants, resources) else state


def _names(resources: Resources) -> frozenset[str]:
    return resources.resources if isinstance(resources, Named) else ANYWHERE


def _places(resources: Resources) -> frozenset[str]:
    return _names(resources) or _NO_PLACE


def _is_lacking(scope: str, grants: Grants, names: frozenset[str]) -> bool:
    return any(lack.scope in (scope, WHOLE_RESOURCE) and lack.resources <= names for lack in grants.lacking)


def _is_blurred(scope: str, grants: Grants, resources: Resources) -> bool:
    """Say whether the request may concern the resource of a known lack: "all of them" may or may not include it."""
    return isinstance(resources, Unbounded) and any(lack.scope in (scope, WHOLE_RESOURCE) for lack in grants.lacking)


def _is_named(scope: str, grants: Grants, place: str) -> bool:
    return scope in grants.scopes or (scope, place) in grants.bound


def _reading(scope: str, holders: frozenset[str], grants: Grants, place: str) -> Holding:
    """Say what is known about one scope in one place: what is named, then what that implies, then completeness."""
    if _is_named(scope, grants, place):
        return Holding.HELD
    names = frozenset({place}) - _NO_PLACE
    holders = frozenset(holder for holder in holders if not _is_lacking(holder, grants, names))
    if any(_is_named(holder, grants, place) for holder in holders):
        return Holding.PRESUMED
    if place in grants.complete_for:
        return Holding.LACKING
    # A complete list of scopes is silent about a scope that is known to hold on some resource: it may hold on others too.
    elsewhere = any(known == scope or known in holders for known, _ in grants.bound)
    return Holding.LACKING if grants.complete and not elsewhere else Holding.UNKNOWN


def _learned(operation: Operation, grants: Grants, resources: Resources) -> Holding:
    """Say what earlier answers to this very operation proved, whatever it requires; completeness is silent about that."""
    scope = operation.stand_in_scope
    if _is_lacking(scope, grants, _names(resources)):
        return Holding.LACKING
    if _is_blurred(scope, grants, resources) or not all(_is_named(scope, grants, place) for place in _places(resources)):
        return Holding.UNKNOWN
    return Holding.HELD


_Weighed = tuple[Holding, tuple[str, ...]]


def _weigh(
    operation: Operation,
    alternative: tuple[str, ...],
    grants: Grants,
    resources: Resources,
    implied_by: Mapping[str, frozenset[str]],
) -> _Weighed:
    """Weigh one alternative: its weakest scope, and the scopes that are certainly lacking."""
    weakest, lacking = Holding.HELD, []
    for scope in alternative:
        state = holding(scope, grants, resources, implied_by)
        if state is not Holding.LACKING and scope in operation.partial:
            state = Holding.UNKNOWN
        if state is Holding.LACKING:
            lacking.append(scope)
        if _RANK[state] < _RANK[weakest]:
            weakest = state
    return weakest, tuple(lacking)


def _judge(operation: Operation, weighed: list[_Weighed], resources: Resources) -> Prediction:
    best = max((state for state, _ in weighed), key=_RANK.__getitem__)
    if best is Holding.HELD:
        return Permit(operation)
    if best is Holding.PRESUMED:
        return Permit(operation, presumed=True)
    if best is Holding.UNKNOWN:
        return Indeterminate(operation, _why_unknown(resources))
    return _deny(operation, [lacking for _, lacking in weighed], resources)


def _predict_not_known(operation: Operation, learned: Holding, resources: Resources) -> Prediction:
    if learned is Holding.LACKING:
        return _deny(operation, [(operation.stand_in_scope,)], resources)
    return Indeterminate(operation, "the catalogue does not know what this operation requires")


def _deny(operation: Operation, lacking: list[tuple[str, ...]], resources: Resources) -> Deny:
    return Deny(operation, tuple(sorted(lacking, key=len)), _names(resources))


def _why_unknown(resources: Resources) -> str:
    if isinstance(resources, Unbounded):
        return "the request concerns resources that it does not name"
    return "not all of the token's scopes are known"
